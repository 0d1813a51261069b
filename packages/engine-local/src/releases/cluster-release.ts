import { ensureRelease, type Release } from '@borealis/postgres';
import type { ClusterState } from '../cluster/state.js';

/**
 * A release, by PostgreSQL's own number, of the build that the cluster runs by for life; put into the cache first when it is missing. Throws
 * `ReleaseError`.
 */
export function clusterRelease(
  { journal, context: { options } }: ClusterState,
  version: string,
  onProgress?: (sentence: string) => void,
): Promise<Release> {
  const { cacheDir, systemRoot } = options;
  return ensureRelease({
    ...{ version, cacheDir, source: journal.record.build },
    ...(systemRoot === undefined ? {} : { systemRoot }),
    ...(onProgress ? { onProgress } : {}),
  });
}
