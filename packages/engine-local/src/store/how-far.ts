import type { StoredBackup } from '@borealis/engine';
import type { ClusterState } from '../cluster/state.js';
import { hasStore } from './backup-of.js';

/** How far the backup of a database is that survives the machine; null where none is kept. */
export function storedBackup(state: ClusterState, database: string): StoredBackup | null {
  if (!state.context.options.store) return null;
  const { newest, waiting } = state.storedDumps.get(database) ?? { newest: null, waiting: 0 };
  const { storedUpTo } = state;
  const byLog = storedUpTo === null ? null : new Date(storedUpTo).toISOString();
  return { upTo: hasStore(state) ? byLog : newest, newestDump: newest, waitingDumps: waiting };
}
