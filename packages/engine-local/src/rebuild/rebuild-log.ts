import { join } from 'node:path';
import { archiveOf } from '../archive/archive-of.js';
import { firstOf, LeftWal } from '../archive/wal-source.js';
import type { RebuildRecord } from '../cluster/record.js';
import type { ClusterState } from '../cluster/state.js';
import { type Base, listBases } from '../copies/bases.js';
import type { PendingLog } from '../copies/past.js';
import { brokenData } from './broken-data.js';

/** The log that a server which does not run has left in its data, wherever that is now. */
export function leftWal({ journal, users }: ClusterState): LeftWal {
  const data = journal.record.rebuild ? brokenData(journal) : journal.paths.data;
  return new LeftWal(join(data, 'pg_wal'), users?.postgres.uid ?? process.getuid!());
}

/** What a rebuild is brought forward by: the archive, what the damaged data has of the log, and what the base itself brought. */
export async function logOfRebuild(state: ClusterState, rebuild: RebuildRecord): Promise<PendingLog> {
  const base = await chosenBase(state, rebuild);
  const ofBase = new LeftWal(join(base.data, 'pg_wal'), process.getuid!());
  return { source: firstOf(archiveOf(state), leftWal(state), ofBase), from: base.firstSegment };
}

/** The base that the data was made from. */
export async function chosenBase({ journal }: ClusterState, { base }: RebuildRecord): Promise<Base> {
  const found = (await listBases(journal.paths.bases)).find(({ stoppedAt }) => stoppedAt === base);
  if (!found) throw new Error('The base that the data is rebuilt from is gone.');
  return found;
}
