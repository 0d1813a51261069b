import { isCached, minorOf, systemVersion } from '@borealis/postgres';
import type { ClusterState } from '../cluster/state.js';

/**
 * The system replaces its releases, and one that was copied may be lost with the cache: then nothing could start the cluster any more. It goes
 * on by what the system has now, if that is not older: the same data runs by it.
 */
export async function replaceLostRelease({ journal, context }: ClusterState): Promise<void> {
  const { id, build, version, next, spec } = journal.record;
  const { cacheDir, systemRoot } = context.options;
  if (build !== 'system' || next || (await isCached(version, cacheDir, build))) return;
  const installed = await systemVersion(spec.major, systemRoot);
  if (installed === null || minorOf(installed) <= minorOf(version)) return;
  const fields = { alarm: 'release-lost', cluster: id, from: version, to: installed };
  context.log.error(
    fields,
    'the cache has lost a copied release, and the cluster goes on by the newer one of the system',
  );
  await journal.update(() => ({ version: installed }));
}
