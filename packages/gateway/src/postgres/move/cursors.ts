import { type OwnTalk, type Reply, statement } from '../backend/own-talk.js';
import { describePortal } from '../wire/messages.js';
import { type Column, columnsOf } from '../wire/row-description.js';
import { Unmovable } from './state.js';

/** A cursor `WITH HOLD`: its rows are kept in its server process alone. */
export interface HeldCursor {
  name: string;
  scroll: boolean;
  binary: boolean;
}

/** A cursor with all that is needed to make it again. */
export interface ReadCursor extends HeldCursor {
  columns: (Column & { typeName: string })[];
  /** Of one that only goes forward: those that it still has. */
  rows: (string | null)[][];
  /** The number of the row that it stands on, from 1; 0: before the first one, or before what it still has. */
  at: number | 'end';
}

/** More of them than any application has open at a time. */
export const MAX_CURSORS = 100;
/** Rows of all cursors of one session, as the server sends them. */
export const MAX_BYTES = 1024 * 1024;
const ROWS_AT_ONCE = 100;
const JSON_TYPES = new Set([114, 3802]);

/**
 * Reads cursors to their end, which takes them away from their session: the server process must not be used any further. Throws
 * `Unmovable` for what cannot be carried, `Oversized` for what is more than may be.
 */
export async function readCursors(talk: OwnTalk, cursors: readonly HeldCursor[]): Promise<ReadCursor[]> {
  const read: ReadCursor[] = [];
  let left = MAX_BYTES;
  for (const cursor of cursors) {
    const { at, columns } = await look(talk, cursor);
    const { rows, bytes } = await rowsOf(talk, cursor, left);
    left -= bytes;
    read.push({ ...cursor, columns: await withTypeNames(talk, columns), rows, at });
  }
  return read;
}

/** Statements that make the cursor again; where it stood is `moveTo`'s, once the transaction of these has ended. */
export function declare({ name, scroll, binary, columns, rows }: ReadCursor): Buffer {
  const list = columns.map((column, i) => `${value(column, i)} AS ${quoted(column.name)}`).join(', ');
  const types = columns.map(({ type, typeName }, i) => `"${i}" ${JSON_TYPES.has(type) ? 'text' : typeName}`).join(', ');
  const how = `${binary ? 'BINARY ' : ''}${scroll ? 'SCROLL' : 'NO SCROLL'}`;
  return Buffer.concat([
    exactly,
    statement(
      `DECLARE ${quoted(name)} ${how} CURSOR WITH HOLD FOR SELECT ${list} FROM json_to_recordset($1::json) AS r(${types})`,
      [JSON.stringify(rows.map((row) => ({ ...row })))],
    ),
  ]);
}

export function moveTo({ name, at }: ReadCursor): Buffer {
  return statement(`MOVE ${at === 'end' ? 'FORWARD ALL' : `ABSOLUTE ${at}`} FROM ${quoted(name)}`);
}

/** Of a JSON value a string would be another one than its text. */
const value = ({ type, typeName }: Column & { typeName: string }, i: number): string =>
  JSON_TYPES.has(type) ? `"${i}"::${typeName}` : `"${i}"`;

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Values as texts that mean the same whatever the client has set, for the one transaction. */
const exactly = statement(`SELECT pg_catalog.set_config(name, value, true) FROM (VALUES
  ('search_path', 'pg_catalog, pg_temp'), ('client_encoding', 'UTF8'), ('statement_timeout', '3000'),
  ('extra_float_digits', '1'), ('DateStyle', 'ISO, YMD'), ('IntervalStyle', 'postgres'), ('bytea_output', 'hex'),
  ('lc_monetary', 'C'), ('array_nulls', 'on'), ('xmloption', 'content')) AS s(name, value)`);
const ROWS_OF_EXACTLY = 10;

/** Where it stands; one that can, goes to its beginning. */
async function look(
  talk: OwnTalk,
  { name, scroll }: HeldCursor,
): Promise<Pick<ReadCursor, 'at'> & { columns: Column[] }> {
  const moves = scroll ? [`MOVE RELATIVE 0 FROM ${quoted(name)}`, `MOVE BACKWARD ALL FROM ${quoted(name)}`] : [];
  const [reply] = await asked(talk, [
    Buffer.concat([exactly, ...moves.map((move) => statement(move)), describePortal(name)]),
  ]);
  const columns = columnsOf(reply!.description ?? Buffer.alloc(2));
  if (columns.length === 0) throw new Unmovable('cursors', 'one has no columns');
  const [onRow = 0, before = 0] = reply!.tags.slice(1).map((tag) => Number(tag.split(' ')[1]));
  return { columns, at: onRow > 0 ? before + 1 : before > 0 ? 'end' : 0 };
}

async function rowsOf(
  talk: OwnTalk,
  { name }: HeldCursor,
  most: number,
): Promise<{ rows: ReadCursor['rows']; bytes: number }> {
  const fetch = Buffer.concat([exactly, statement(`FETCH FORWARD ${ROWS_AT_ONCE} FROM ${quoted(name)}`)]);
  const rows: ReadCursor['rows'] = [];
  for (let bytes = 0; ; ) {
    const [reply] = await asked(talk, [fetch], most - bytes);
    const more = reply!.rows.slice(ROWS_OF_EXACTLY);
    bytes += reply!.bytes;
    rows.push(...more);
    if (more.length < ROWS_AT_ONCE) return { rows, bytes };
  }
}

async function withTypeNames(talk: OwnTalk, columns: readonly Column[]): Promise<ReadCursor['columns']> {
  const types = JSON.stringify(columns.map(({ type, modifier }) => [type, modifier]));
  const sql = `SELECT format_type((c->>0)::oid, (c->>1)::int4) FROM json_array_elements($1::json) c`;
  const [reply] = await asked(talk, [Buffer.concat([exactly, statement(sql, [types])])]);
  const names = reply!.rows.slice(ROWS_OF_EXACTLY).map(([name]) => name!);
  return columns.map((column, i) => ({ ...column, typeName: names[i]! }));
}

async function asked(talk: OwnTalk, segments: readonly Buffer[], most?: number): Promise<Reply[]> {
  const replies = await talk.run(segments, most);
  for (const { error, rows } of replies) {
    if (error) throw new Unmovable('cursors', error.get('C'));
    if (rows.some((row) => row.some((text) => text?.includes('\ufffd')))) throw new Unmovable('encoding');
  }
  return replies;
}
