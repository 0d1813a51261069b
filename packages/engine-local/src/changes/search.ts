import type { ChangeQuery, FoundChanges, TableChange } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import { type ChangesFound, type FoundChange, findChanges, WalError } from '@borealis/postgres';
import { archiveOf } from '../archive/archive-of.js';
import { SEGMENT_BYTES } from '../archive/wal-names.js';
import type { ClusterState } from '../cluster/state.js';
import type { Base } from '../copies/bases.js';
import type { Era } from '../copies/eras.js';
import { fromMicroseconds, toMicroseconds } from '../copies/moment.js';
import { type RestorableEra, restorableEras } from '../copies/restore-window.js';
import { archiveUpToNow, readSegments } from './archived-log.js';

/** More than a person reads; what is older is counted. */
const MOST = 1000;

/** What a search needs beside the query. */
export interface Searching {
  signal: AbortSignal;
  /** Segments of the log that were read, of so many. */
  onProgress(read: number, total: number): void;
}

/** Searches the cluster's archive, and those of its former majors as far back as is asked; throws as `Engine.findChanges`. */
export async function searchChanges(
  state: ClusterState,
  database: string,
  query: ChangeQuery,
  searching: Searching,
): Promise<FoundChanges> {
  const parts = partsOf(query, await restorableEras(state));
  const [{ base, since }] = parts;
  const isComplete = await archiveUpToNow(state, searching.signal);
  const to = fromMicroseconds(BigInt(Date.now()) * 1000n);
  const results = (await searchParts(state, database, query, parts, searching)).filter((result) => result !== null);
  const { table } = query;
  const from = fromMicroseconds(since);
  if (results.length === 0)
    throw new EngineError('not_found', `The database was not there yet at ${base.stoppedAt}: ask for a later time.`);
  if (table && !results.some(({ isKnown }) => isKnown))
    throw new EngineError('not_found', `There was no table "${nameOf(table)}" at any time since ${base.stoppedAt}.`);
  const notes = [...results.flatMap((result) => notesOn(result, table)), ...(isComplete ? [] : [NOT_COMPLETE])];
  const all = results.flatMap(({ changes }) => changes);
  const omitted = results.reduce((sum, result) => sum + result.omitted, Math.max(0, all.length - MOST));
  return { from, to, changes: all.slice(-MOST).map(present), omitted, notes: [...new Set(notes)] };
}

/** What one major of the cluster has of the time that is asked for. */
interface SearchPart {
  base: Base;
  /** In microseconds since 1970. */
  since: bigint;
  paths: Era['paths'];
}

async function searchParts(
  state: ClusterState,
  database: string,
  { table, kinds }: ChangeQuery,
  parts: readonly SearchPart[],
  { signal, onProgress }: Searching,
): Promise<(ChangesFound | null)[]> {
  const logs = await Promise.all(
    parts.map(async (part) => {
      const archive = archiveOf(state, part.paths);
      return { ...part, archive, names: await archive.line(part.base.firstSegment) };
    }),
  );
  const total = logs.reduce((sum, { names }) => sum + names.length, 0);
  const results: (ChangesFound | null)[] = [];
  let before = 0;
  for (const { base, since, archive, names } of logs) {
    const log = () => readSegments(archive, names, (read) => onProgress(before + read, total));
    const where = { database, base: base.data, segmentBytes: SEGMENT_BYTES, signal, most: MOST };
    results.push(await findChanges({ ...where, table, kinds, since: Number(since), log }).catch(asEngineError));
    before += names.length;
  }
  return results;
}

function asEngineError(error: unknown): never {
  throw error instanceof WalError ? new EngineError('internal', error.message, { cause: error }) : error;
}

const NOT_COMPLETE = 'PostgreSQL does not run now: what it committed last may be missing.';

/** The bases to begin with, and the first time at which a change can be undone from each; oldest first. */
function partsOf({ since }: ChangeQuery, eras: readonly RestorableEra[]): [SearchPart, ...SearchPart[]] {
  const [oldest] = eras;
  if (!oldest) throw new EngineError('unsupported', 'Nothing can be restored yet, so nothing can be found.');
  const asked = since === null ? oldest.from : toMicroseconds(since)!;
  if (asked < oldest.from)
    throw new EngineError(
      'unsupported',
      `Changes can be found since ${fromMicroseconds(oldest.from)}, as far back as can be restored; ${since} is before that.`,
    );
  if (asked > BigInt(Date.now() + 1000) * 1000n)
    throw new EngineError('unsupported', `Changes can be found up to now, and ${since} is in the future.`);
  const parts = eras
    .filter(({ until }) => until === null || asked < until)
    .map(({ paths, bases, from }) => partOf(paths, bases, asked > from ? asked : from));
  return parts as [SearchPart, ...SearchPart[]];
}

function partOf(paths: Era['paths'], bases: readonly Base[], asked: bigint): SearchPart {
  const base = bases.findLast(({ stoppedAt }) => toMicroseconds(stoppedAt)! <= asked)!;
  // What was committed in the very microsecond of the base is in it.
  const first = toMicroseconds(base.stoppedAt)! + 1n;
  return { paths, base, since: asked > first ? asked : first };
}

function present({ committedAt, ...change }: FoundChange): TableChange {
  const at = BigInt(committedAt);
  return { ...change, committedAt: fromMicroseconds(at), restoreTo: fromMicroseconds(at - 1n) };
}

function nameOf({ schema, name }: NonNullable<ChangeQuery['table']>): string {
  return schema === null ? name : `${schema}.${name}`;
}

function notesOn({ hint, begunBefore }: ChangesFound, table: ChangeQuery['table']): string[] {
  const hints = {
    partitioned: 'is partitioned: rows are deleted from its partitions, which have names of their own',
    unlogged: 'is unlogged: what happens to its rows is nowhere noted, and a restore has none of them',
  };
  return [
    ...(table && hint ? [`The table "${nameOf(table)}" ${hints[hint]}.`] : []),
    ...begunBefore.map(
      ({ transaction, committedAt }) =>
        `Transaction ${transaction}, committed at ${fromMicroseconds(BigInt(committedAt))}, had begun before the log that was ` +
        'read: what it did until then, if anything, is not listed.',
    ),
  ];
}
