import { EngineError, type RestoreWindow } from '@borealis/engine';
import { archiveOf } from '../archive/archive-of.js';
import { parseSegment } from '../archive/wal-names.js';
import type { ClusterState } from '../cluster/state.js';
import type { ClusterPaths } from '../home/paths.js';
import { leftWal } from '../rebuild/rebuild-log.js';
import { type Base, listBases } from './bases.js';
import { type Era, eraAt, erasOf } from './eras.js';
import { receiptOf } from './kept-proof.js';
import { fromMicroseconds, toMicroseconds } from './moment.js';

/** The bases from which everything since can be restored, oldest first, of the era of `paths`. */
export async function restorableBases(state: ClusterState, paths: ClusterPaths = state.journal.paths): Promise<Base[]> {
  if (!state.journal.record.archiveKey) return [];
  const bases = await listBases(paths.bases);
  const archive = archiveOf(state, paths);
  // A gap spoils all bases before it.
  for (const [index, base] of bases.entries())
    if ((await archive.gaps(base.firstSegment)).length === 0) return bases.slice(index);
  return [];
}

/** The moments to which the cluster can be restored now; both null while there are none. */
export async function readRestoreWindow(state: ClusterState): Promise<RestoreWindow> {
  const earliest = await earliestMoment(state);
  const { formerEras, baseProof } = state.journal.record;
  const more = {
    formerMajors: formerEras.map(({ major, until }) => ({ major, until })),
    ...(baseProof && { proof: receiptOf(baseProof) }),
  };
  if (earliest === null) return { earliest: null, latest: null, ...more };
  const end = BigInt(await latest(state)) * 1000n;
  return { earliest: fromMicroseconds(earliest), latest: fromMicroseconds(end), ...more };
}

/** From where on there is no gap up to now, in microseconds since 1970; null while nothing can be restored. */
async function earliestMoment(state: ClusterState): Promise<bigint | null> {
  const [oldest] = await restorableEras(state);
  return oldest?.from ?? null;
}

/** An era with the bases that something can be restored from, and the first moment that can be, in microseconds since 1970. */
export interface RestorableEra extends Era {
  bases: Base[];
  from: bigint;
}

/** The eras from which every moment up to now can be restored, oldest first. */
export async function restorableEras(state: ClusterState): Promise<RestorableEra[]> {
  const found: RestorableEra[] = [];
  for (const era of erasOf(state).reverse()) {
    const bases = await restorableBases(state, era.paths);
    if (!bases[0]) break;
    const first = toMicroseconds(bases[0].stoppedAt)!;
    // What was done in it before it took over, was done to bring it there.
    const isWhole = era.since !== null && first <= era.since;
    found.unshift({ ...era, bases, from: isWhole ? era.since! : first });
    if (!isWhole) break;
  }
  return found;
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
  const { paths } = eraAt(state, moment);
  const base = (await restorableBases(state, paths)).findLast(({ stoppedAt }) => toMicroseconds(stoppedAt)! <= asked);
  if (!base) throw new Error(`"${state.journal.record.id}" cannot be restored to ${moment} any more.`);
  return base;
}
