import { EngineError, type RestoreWindow } from '@borealis/engine';
import { archiveOf } from '../archive/archive-of.js';
import { parseSegment } from '../archive/wal-names.js';
import type { ClusterState } from '../cluster/state.js';
import { leftWal } from '../rebuild/rebuild-log.js';
import { type Base, listBases } from './bases.js';
import { fromMicroseconds, toMicroseconds } from './moment.js';

/** The bases from which everything since can be restored, oldest first. */
export async function restorableBases(state: ClusterState): Promise<Base[]> {
  if (!state.journal.record.archiveKey) return [];
  const bases = await listBases(state.journal.paths.bases);
  const archive = archiveOf(state);
  // A gap spoils all bases before it.
  for (const [index, base] of bases.entries())
    if ((await archive.gaps(base.firstSegment)).length === 0) return bases.slice(index);
  return [];
}

/** The moments to which the cluster can be restored now; both null while there are none. */
export async function readRestoreWindow(state: ClusterState): Promise<RestoreWindow> {
  const [oldest] = await restorableBases(state);
  if (!oldest) return { earliest: null, latest: null };
  return { earliest: oldest.stoppedAt, latest: fromMicroseconds(BigInt(await latest(state)) * 1000n) };
}

/** Now, as long as the server can be asked to finish its log, or has left it where it stopped; else when it last finished a part of it. */
async function latest(state: ClusterState): Promise<number> {
  if (state.server) return Date.now();
  const archived = await archiveOf(state).segments();
  const newest = Math.max(...archived.map(({ name }) => parseSegment(name).number));
  const left = await leftWal(state).segments();
  if (left.some((name) => parseSegment(name).number > newest)) return Date.now();
  return Math.floor(Math.max(...archived.map(({ archivedAt }) => archivedAt.getTime())));
}

/** Throws `unsupported`, with both ends of the window, for a moment that is not in it. */
export async function checkMoment(state: ClusterState, moment: string): Promise<void> {
  const { id } = state.journal.record;
  const { earliest, latest: end } = await readRestoreWindow(state);
  if (!earliest || !end) throw refusal(`nothing can be restored from "${id}" yet`);
  const asked = toMicroseconds(moment);
  if (asked === null || asked < toMicroseconds(earliest)! || asked > toMicroseconds(end)!)
    throw refusal(`"${id}" can be restored to any moment from ${earliest} to ${end}, and ${moment} is none of them`);
}

function refusal(reason: string): EngineError {
  return new EngineError('unsupported', `The copy is refused: ${reason}.`);
}

/** The newest base from which the moment can be reached; throws when it is gone meanwhile. */
export async function nearestBase(state: ClusterState, moment: string): Promise<Base> {
  const asked = toMicroseconds(moment)!;
  const base = (await restorableBases(state)).findLast(({ stoppedAt }) => toMicroseconds(stoppedAt)! <= asked);
  if (!base) throw new Error(`"${state.journal.record.id}" cannot be restored to ${moment} any more.`);
  return base;
}
