import { type OwnTalk, type Reply, statement } from '../backend/own-talk.js';
import { bind, execute, message, parse } from '../wire/messages.js';
import { type CountedLock, takeLock } from './advisory-locks.js';
import { declare, moveTo, type ReadCursor } from './cursors.js';
import { setLastval } from './lastval.js';
import { type ClosedKind, type PreparedStatement, type SessionState, Unmovable } from './state.js';

/** What a session has taken along from the server process it has left. */
export interface Taken {
  state: SessionState;
  locks: CountedLock[];
  cursors: ReadCursor[];
}

/** One step of the way, with a Sync of its own: what fails is that alone. */
interface Step {
  kind: ClosedKind;
  messages: Buffer;
  /** Whether the session may go on after this error, as it would have met it in the old server process, too. */
  tolerates?: (sqlstate: string) => boolean;
  /** Every row that comes must be this. */
  expects?: string;
}

/** What a new server process starts with. */
export interface Start {
  clientEncoding: string;
  user: string;
}

/**
 * Gives a new server process the state of another one. Throws `Unmovable` when a part of it cannot be made again: the server
 * process must not be used then.
 */
export async function restoreState(
  talk: OwnTalk,
  { state, locks, cursors }: Taken,
  unnamedParse: Buffer | null,
  start: Start,
): Promise<void> {
  const taken = locks.map((lock) => ({ ...step('advisory_locks', takeLock(lock)), expects: 't' }));
  const steps = [
    ...beginning(state, start),
    ...named(state),
    ...taken,
    ...opened(cursors),
    ...ending(state, unnamedParse),
  ];
  const replies = await talk.run(steps.map(({ messages }) => messages));
  steps.forEach((step, i) => {
    check(step, replies[i]!);
  });
}

function check({ kind, tolerates, expects }: Step, { error, rows }: Reply): void {
  const sqlstate = error?.get('C');
  if (sqlstate !== undefined && !tolerates?.(sqlstate)) throw new Unmovable(kind, sqlstate);
  if (expects !== undefined && rows.some(([value]) => value !== expects)) throw new Unmovable(kind);
}

function beginning(state: SessionState, start: Start): Step[] {
  const first = state.settings.filter(([name]) => !isTransactionDefault(name));
  return [
    ...(start.clientEncoding === 'UTF8' ? [] : [step('encoding', setting('client_encoding', 'UTF8'))]),
    ...(state.lastval === null ? [] : [step('lastval', setLastval(state.lastval))]),
    ...(first.length === 0 ? [] : [step('settings', settings(first))]),
    ...(state.sessionUser === start.user ? [] : [step('role', setting('session_authorization', state.sessionUser))]),
    step('role', setting('role', state.role)),
    step('settings', setting('search_path', state.searchPath)),
  ];
}

function named(state: SessionState): Step[] {
  return [
    ...state.statements.map((prepared) => ({
      kind: 'prepared_statements' as const,
      messages: prepared.sql ? executed(prepared) : parse(prepared.name, prepared.text, prepared.types),
      // Of several statements in one text only the client knows which ones it wants again.
      tolerates: prepared.sql ? (sqlstate: string) => sqlstate !== '42601' && isGone(sqlstate) : isGone,
    })),
    ...state.channels.map((channel) => step('listen', statement(`LISTEN "${channel.replaceAll('"', '""')}"`))),
  ];
}

function opened(cursors: readonly ReadCursor[]): Step[] {
  return cursors.flatMap((cursor) => [
    step('cursors', declare(cursor)),
    ...(cursor.scroll && cursor.at !== 0 ? [step('cursors', moveTo(cursor))] : []),
  ]);
}

/** What would get in the way of the other steps comes after them; the unnamed statement is overwritten by others. */
function ending(state: SessionState, unnamedParse: Buffer | null): Step[] {
  const last = state.settings.filter(([name]) => isTransactionDefault(name));
  return [
    ...(last.length === 0 ? [] : [step('settings', settings(last))]),
    step(
      'settings',
      Buffer.concat([setting('lock_timeout', state.lockTimeout), setting('statement_timeout', state.statementTimeout)]),
    ),
    step('encoding', setting('client_encoding', state.clientEncoding)),
    ...(unnamedParse === null
      ? []
      : [{ kind: 'unnamed_statement' as const, messages: message('P', unnamedParse), tolerates: isGone }]),
  ];
}

const step = (kind: ClosedKind, messages: Buffer): Step => ({ kind, messages });

/** A prepared statement outlives the table it reads; it fails in the same way when it is used. */
const isGone = (sqlstate: string): boolean => sqlstate.startsWith('42');

const isTransactionDefault = (name: string): boolean => name.startsWith('default_transaction_');

/** A text that is executed whole: never as a simple query, where several statements would run again. */
function executed({ text }: PreparedStatement): Buffer {
  return Buffer.concat([parse('', text), bind(''), execute]);
}

/** A setting that has the value already is left alone, so that it still follows what the server's configuration says. */
function setting(name: string, value: string): Buffer {
  return statement(
    `SELECT CASE WHEN pg_catalog.current_setting($1) OPERATOR(pg_catalog.=) $2 THEN NULL
      ELSE pg_catalog.set_config($1, $2, false) END`,
    [name, value],
  );
}

function settings(pairs: readonly [string, string][]): Buffer {
  return Buffer.concat([
    statement(`SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)`),
    statement(
      `SELECT count(set_config(wanted.name, wanted.value, false))
        FROM (SELECT pair->>0 AS name, pair->>1 AS value FROM json_array_elements($1::json) pair) wanted
        LEFT JOIN pg_settings s ON lower(s.name) = lower(wanted.name)
        WHERE s.setting IS DISTINCT FROM wanted.value`,
      [JSON.stringify(pairs)],
    ),
  ]);
}
