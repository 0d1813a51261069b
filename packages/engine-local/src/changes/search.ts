import type { ChangeQuery, FoundChanges, TableChange } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import { type ChangesFound, type FoundChange, findChanges, WalError } from '@borealis/postgres';
import { archiveOf } from '../archive/archive-of.js';
import { SEGMENT_BYTES } from '../archive/wal-names.js';
import type { ClusterState } from '../cluster/state.js';
import type { Base } from '../copies/bases.js';
import { fromMicroseconds, toMicroseconds } from '../copies/moment.js';
import { restorableBases } from '../copies/restore-window.js';
import { archiveUpToNow, readSegments } from './archived-log.js';

/** More than a person reads; what is older is counted. */
const MOST = 1000;

/** What a search needs beside the query. */
export interface Searching {
  signal: AbortSignal;
  /** Segments of the log that were read, of so many. */
  onProgress(read: number, total: number): void;
}

/** Searches the cluster's archive; throws as `Engine.findChanges`. */
export async function searchChanges(
  state: ClusterState,
  database: string,
  query: ChangeQuery,
  { signal, onProgress }: Searching,
): Promise<FoundChanges> {
  const { base, since } = beginningOf(query, await restorableBases(state));
  const isComplete = await archiveUpToNow(state, signal);
  const to = fromMicroseconds(BigInt(Date.now()) * 1000n);
  const archive = archiveOf(state);
  const names = await archive.line(base.firstSegment);
  const result = await findChanges({
    ...{ database, base: base.data, segmentBytes: SEGMENT_BYTES, signal, most: MOST },
    ...{ table: query.table, kinds: query.kinds, since: Number(since) },
    log: () => readSegments(archive, names, (read) => onProgress(read, names.length)),
  }).catch((error: unknown) => {
    throw error instanceof WalError ? new EngineError('internal', error.message, { cause: error }) : error;
  });
  const { table } = query;
  const from = fromMicroseconds(since);
  if (!result)
    throw new EngineError('not_found', `The database was not there yet at ${base.stoppedAt}: ask for a later time.`);
  if (table && !result.isKnown)
    throw new EngineError('not_found', `There was no table "${nameOf(table)}" at any time since ${base.stoppedAt}.`);
  const notes = [...notesOn(result, table), ...(isComplete ? [] : [NOT_COMPLETE])];
  return { from, to, changes: result.changes.map(present), omitted: result.omitted, notes };
}

const NOT_COMPLETE = 'PostgreSQL does not run now: what it committed last may be missing.';

/** The base to begin with, and the first time at which a change can be undone from it. */
function beginningOf({ since }: ChangeQuery, bases: readonly Base[]): { base: Base; since: bigint } {
  const [oldest] = bases;
  if (!oldest) throw new EngineError('unsupported', 'Nothing can be restored yet, so nothing can be found.');
  const asked = since === null ? toMicroseconds(oldest.stoppedAt)! : toMicroseconds(since)!;
  const base = bases.findLast(({ stoppedAt }) => toMicroseconds(stoppedAt)! <= asked);
  if (!base)
    throw new EngineError(
      'unsupported',
      `Changes can be found since ${oldest.stoppedAt}, as far back as can be restored; ${since} is before that.`,
    );
  if (asked > BigInt(Date.now() + 1000) * 1000n)
    throw new EngineError('unsupported', `Changes can be found up to now, and ${since} is in the future.`);
  // What was committed in the very microsecond of the base is in it.
  const first = toMicroseconds(base.stoppedAt)! + 1n;
  return { base, since: asked > first ? asked : first };
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
