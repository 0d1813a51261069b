import { Secret } from '@borealis/contract';
import { isArchived } from '../archive/archive-of.js';
import type { ClusterState } from '../cluster/state.js';
import { ClusterBackup } from './cluster-backup.js';
import { openStoreUntil } from './ending-store.js';

/** PostgreSQL finishes a segment that was written to after so many seconds, where there is a store. */
export const FINISH_SECONDS = 30;

/** True for a cluster whose bases and WAL go into an object store. */
export function hasStore({ context: { options }, journal: { record } }: ClusterState): boolean {
  return options.store !== undefined && isArchived(record);
}

/** What the store has of a cluster in its present era, or will have. Only for one that is archived, and where there is a store. */
export function backupOf({ context: { home, options }, journal: { record }, ending }: ClusterState): ClusterBackup {
  if (!options.store || !record.archiveKey) throw new Error('BUG: the cluster has no backup in a store');
  const key = new Secret(Buffer.from(record.archiveKey.reveal(), 'base64'));
  return new ClusterBackup(
    openStoreUntil(options.store.location, ending),
    backupId(home.id, record.id, record.era),
    key,
  );
}

/** Stands in no cluster's name. */
export const ERA = '.';

/** A cluster's name in a store that several homes may use; each of its eras has one of its own. */
export function backupId(homeId: string, clusterId: string, era = 1): string {
  return `${homeId}-${clusterId}${era === 1 ? '' : `${ERA}${era}`}`;
}
