import { rm } from 'node:fs/promises';
import type { PostgresMajor } from '@borealis/contract';
import type { FormerEra } from '../cluster/record.js';
import type { ClusterState } from '../cluster/state.js';
import { type ClusterPaths, ofEra } from '../home/paths.js';
import { forgetEra } from '../store/store-removals.js';
import { toMicroseconds } from './moment.js';

/** One major of a cluster, with the log and the bases that it wrote. */
export interface Era {
  major: PostgresMajor;
  paths: ClusterPaths;
  /** When it took over from the one before, and when the next one did, both in microseconds since 1970; null: at its birth, or not yet. */
  since: bigint | null;
  until: bigint | null;
}

/** All that something may be restored from, oldest first; the last one is the present. */
export function erasOf({ journal: { record, paths } }: ClusterState): Era[] {
  const eras: Era[] = [];
  for (const { era, major, until } of record.formerEras)
    eras.push({ major, paths: ofEra(paths, era), since: eras.at(-1)?.until ?? null, until: toMicroseconds(until) });
  return [...eras, { major: record.spec.major, paths, since: eras.at(-1)?.until ?? null, until: null }];
}

/** The era in which the moment is. */
export function eraAt(state: ClusterState, moment: string): Era {
  const asked = toMicroseconds(moment)!;
  return erasOf(state).find(({ until }) => until === null || asked < until)!;
}

/** Forgets eras that ended before that time, in milliseconds since 1970, with all that could be restored from them, here and in the store. */
export async function removeFormerEras(state: ClusterState, before: number): Promise<void> {
  const { journal } = state;
  const isOver = ({ until }: FormerEra) => toMicroseconds(until)! < BigInt(Math.floor(before)) * 1000n;
  const [over, kept] = [
    journal.record.formerEras.filter(isOver),
    journal.record.formerEras.filter((era) => !isOver(era)),
  ];
  // An upgrade that was taken back has led to one that was there before.
  const needed = new Set([journal.record.era, ...kept.map(({ era }) => era)]);
  for (const { era } of over) if (!needed.has(era)) await removeEra(state, era);
  if (over.length > 0)
    await journal.update(({ formerEras }) => ({ formerEras: formerEras.filter((era) => !isOver(era)) }));
}

async function removeEra(state: ClusterState, era: number): Promise<void> {
  const { bases, archive, walSpool, broken } = ofEra(state.journal.paths, era);
  for (const path of [bases, archive, walSpool, broken])
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  await forgetEra(state, era);
}
