import { archiveOf } from '../archive/archive-of.js';
import type { ClusterState } from '../cluster/state.js';
import { type Base, listBases } from '../copies/bases.js';
import { leftWal } from './rebuild-log.js';

/** The bases that the cluster's data can be rebuilt from, newest first; older than `failedFrom`, when it is given. */
export async function rebuildBases(state: ClusterState, failedFrom: string | null): Promise<Base[]> {
  const left = leftWal(state);
  const usable: Base[] = [];
  for (const base of (await listBases(state.journal.paths.bases)).reverse()) {
    const missing = await archiveOf(state).gaps(base.firstSegment);
    const found = await Promise.all(missing.map((name) => left.has(name)));
    if (found.every(Boolean) && (failedFrom === null || base.stoppedAt < failedFrom)) usable.push(base);
  }
  return usable;
}
