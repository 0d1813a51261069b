import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ChangesFound, connect, type FoundChange, WalError } from '../../src/index.js';
import { type Segment, type WrittenLog, writtenLog } from './written-log.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const majors = isFull ? ['13', '16', '18'] : ['16'];
const ALL = ['delete', 'update', 'truncate', 'drop'] as const;

/** `delete public.orders 10`. */
const line = ({ kind, table, file, rows }: FoundChange) =>
  [kind, table ? `${table.schema}.${table.name}` : `file ${file}`, rows].filter((part) => part !== null).join(' ');
const lines = ({ changes }: ChangesFound) => changes.map(line);

/** What a statement does is in the log, and nothing that is listed was done by another one. */
const STORY: { sql: string | string[]; found?: string[] }[] = [
  { sql: 'delete from orders where n <= 10', found: ['delete public.orders 10'] },
  { sql: ['begin', 'delete from orders', 'truncate orders', 'drop table gone', 'rollback'] },
  { sql: 'update orders set t = t || 1 where n between 11 and 15', found: ['update public.orders 5'] },
  {
    sql: [
      'begin',
      'delete from orders where n = 11',
      'savepoint a',
      'delete from orders where n between 12 and 20',
      'rollback to a',
      'savepoint b',
      'delete from orders where n = 12',
      'release b',
      'commit',
    ],
    found: ['delete public.orders 2'],
  },
  {
    sql: ['begin', 'delete from orders where n = 13', `prepare transaction 'one'`, `commit prepared 'one'`],
    found: ['delete public.orders 1'],
  },
  { sql: ['begin', 'delete from orders where n = 14', `prepare transaction 'two'`, `rollback prepared 'two'`] },
  { sql: 'delete from wide', found: ['delete public.wide 3'] },
  { sql: `update parts set n = n + 10 where n = 1`, found: [] },
  { sql: 'delete from parts where n = 2', found: ['delete public.parts_low 1'] },
  {
    sql: 'truncate parts',
    found: ['truncate public.parts', 'truncate public.parts_high', 'truncate public.parts_low'],
  },
  { sql: 'vacuum full orders' },
  { sql: 'delete from orders where n = 21', found: ['delete public.orders 1'] },
  { sql: ['begin', 'alter table orders alter n type bigint', 'delete from orders', 'rollback'] },
  { sql: 'delete from orders where n = 22', found: ['delete public.orders 1'] },
  {
    sql: [
      'begin',
      'delete from orders where n = 23',
      'alter table orders alter n type bigint',
      'delete from orders where n = 24',
      'savepoint a',
      'delete from orders where n = 25',
      'commit',
    ],
    found: ['delete public.orders 3'],
  },
  { sql: 'truncate orders', found: ['truncate public.orders'] },
  { sql: 'insert into orders select n, n from generate_series(1, 100) n' },
  { sql: 'delete from orders where n > 93', found: ['delete public.orders 7'] },
  {
    sql: [
      'begin',
      'create table brief (n int)',
      'insert into brief values (1)',
      'delete from brief',
      'drop table brief',
      'commit',
    ],
  },
  { sql: 'drop table gone', found: ['drop public.gone'] },
  { sql: 'refresh materialized view seen' },
  { sql: 'alter table orders rename to "Old Orders"' },
  { sql: 'delete from "Old Orders" where n = 90', found: ['delete public.Old Orders 1'] },
  { sql: ['create schema "Shop"', 'alter table "Old Orders" set schema "Shop"'] },
  { sql: 'delete from "Shop"."Old Orders" where n = 89', found: ['delete Shop.Old Orders 1'] },
  {
    sql: [
      'create table "Shop".late (n int)',
      'insert into "Shop".late values (1)',
      'alter schema "Shop" rename to shop2',
    ],
  },
  {
    sql: [
      'create table other (n int)',
      'insert into other values (1)',
      'begin',
      'alter table other rename to another',
      'delete from another',
      'commit',
    ],
    found: ['delete public.other 1'],
  },
  { sql: 'drop schema shop2 cascade', found: ['drop shop2.Old Orders', 'drop shop2.late'] },
  { sql: ['create temp table mine (n int)', 'insert into mine values (1)', 'delete from mine', 'drop table mine'] },
  { sql: 'delete from unlogged; drop table unlogged' },
  { sql: 'drop view looked; drop index left_by_n; drop sequence counted' },
];

/** Catalogues in new files, which the log has to be read again for. */
const REWRITTEN = [
  'vacuum full pg_class',
  'create schema two; create table two.a as select n from generate_series(1, 3) n',
  'vacuum full pg_namespace',
  'alter schema two rename to three',
  'delete from three.a where n = 1',
  'alter table three.a rename to b',
  'vacuum full pg_class',
  'drop schema three cascade',
];

const PREPARE = [
  'set search_path = public',
  'create table orders (n int primary key, t text)',
  `insert into orders select n, 'x' from generate_series(1, 200) n`,
  'create table gone as select 1 as n',
  'create table wide (n int, t text); alter table wide alter t set storage external',
  `insert into wide select n, repeat('x', 20000) from generate_series(1, 3) n`,
  'create table parts (n int) partition by range (n)',
  'create table parts_low partition of parts for values from (0) to (10)',
  'create table parts_high partition of parts for values from (10) to (20)',
  'insert into parts values (1), (2)',
  'create materialized view seen as select * from gone',
  'drop materialized view seen',
  'create materialized view seen as select * from parts',
  'create table lefts (n int); create index left_by_n on lefts (n)',
  'create view looked as select * from lefts; create sequence counted',
  'create unlogged table unlogged as select 1 as n',
  'create database neighbour',
];

/** Microseconds since 1970. */
const micros = (at: string) => Date.parse(`${at.slice(0, 23)}Z`) * 1000 + Number(at.slice(23));

async function run(client: pg.Client, sql: string | string[]): Promise<void> {
  for (const statement of [sql].flat()) await client.query(statement);
}

describe.each(majors)('in the log of PostgreSQL %s', (major) => {
  let log: WrittenLog;
  let earlier: pg.Client;
  let segments: Segment[];
  const wanted: string[] = [];

  beforeAll(async () => {
    log = await writtenLog(major, async (client, spec) => {
      await run(client, PREPARE);
      earlier = await connect(spec);
      await run(earlier, ['create table public.long as select n from generate_series(1, 9) n', 'begin']);
      await run(earlier, 'delete from public.long where n <= 2');
    });
    for (const { sql, found } of STORY) {
      await run(log.client, sql);
      wanted.push(...(found ?? []));
    }
    const neighbour = await connect(log.spec, 'neighbour');
    await run(neighbour, ['create table public.orders as select 1 as n', 'delete from public.orders']);
    await run(neighbour, 'drop table public.orders').finally(() => neighbour.end());
    segments = await log.segments();
  });

  afterAll(async () => {
    await earlier.end();
    await log.remove();
  });

  test('every committed change is found once, under the name that the table had before it', async () => {
    const found = await log.find({ kinds: ALL }, segments);
    // Several tables of one transaction come in no certain order.
    expect(lines(found).sort()).toEqual([...wanted].sort());
    expect(found).toMatchObject({ omitted: 0, isKnown: true, begunBefore: [] });
  });

  test('the time of a change is that of its commit, to the microsecond', async () => {
    const { changes } = await log.find({}, segments);
    const times = await log.client.query<{ at: string }>(
      `select to_char(pg_xact_commit_timestamp(x::xid) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') as at
       from unnest($1::text[]) with ordinality as t(x, place) order by place`,
      [changes.map(({ transaction }) => String(transaction))],
    );
    expect(changes.map(({ committedAt }) => committedAt)).toEqual(times.rows.map(({ at }) => micros(at)));
    expect(changes.map(({ committedAt }) => committedAt)).toEqual(
      changes.map((c) => c.committedAt).sort((a, b) => a - b),
    );
    expect(changes.some(({ isCrowded }) => isCrowded)).toBe(false);
  });

  test('only what is asked for is given: kinds, a table by its name then or later, a time', async () => {
    const of = async (schema: string | null, name: string, more: object = {}) =>
      log.find({ table: { schema, name }, ...more }, segments);
    expect(lines(await of(null, 'gone'))).toEqual(['drop public.gone']);
    expect(lines(await of('public', 'orders', { kinds: ['truncate'] }))).toEqual(['truncate public.orders']);
    expect(lines(await of(null, 'another'))).toEqual(['delete public.other 1']);
    expect(lines(await of('Shop', 'Old Orders'))).toEqual(['delete Shop.Old Orders 1']);
    expect(await of('public', 'late')).toMatchObject({ changes: [], isKnown: false });
    expect(await of(null, 'unlogged')).toMatchObject({ changes: [], isKnown: true, hint: 'unlogged' });
    expect(await of(null, 'lefts')).toMatchObject({ changes: [], isKnown: true, hint: null });
    expect(await of(null, 'parts', { kinds: ['delete'] })).toMatchObject({ changes: [], hint: 'partitioned' });
    const { changes } = await log.find({}, segments);
    const third = changes[2]!;
    const later = await log.find({ since: third.committedAt, most: 3 }, segments);
    expect(later.changes).toEqual(changes.slice(-3));
    expect(later.omitted).toBe(changes.length - 2 - 3);
  });

  test('a transaction from before the copy is named, and catalogues that are written anew are followed', async () => {
    await run(log.client, REWRITTEN);
    await run(earlier, ['delete from public.long where n <= 3', 'commit']);
    const found = await log.find();
    expect(lines(found).slice(-3)).toEqual(['delete three.a 1', 'drop three.b', 'delete public.long 1']);
    expect(found.begunBefore).toEqual([
      { transaction: found.changes.at(-1)!.transaction, committedAt: found.changes.at(-1)!.committedAt },
    ]);
  });

  test('what is cut off or left out is refused', async () => {
    const cut = { ...segments[0]!, content: segments[0]!.content.subarray(0, 5_000_000) };
    await expect(log.find({}, [cut])).rejects.toThrow(/cut off at 0\//);
    await expect(log.find({}, [segments[0]!, { ...segments[1]!, number: segments[1]!.number + 1 }])).rejects.toThrow(
      /has a gap/,
    );
    const other = { ...segments[1]!, content: segments[0]!.content };
    await expect(log.find({}, [segments[0]!, other])).rejects.toThrow(/is damaged/);
  });

  test('a flipped bit is noticed, or changes nothing', async () => {
    const sane = lines(await log.find({ kinds: ALL }, segments));
    const written = segments.map(({ content }) => lastByte(content));
    let noticed = 0;
    for (let round = 0; round < 12; round++) {
      const at = round % segments.length;
      const content = Buffer.from(segments[at]!.content);
      // Spread over what is written, the same in each run.
      content[Math.floor(((round * 0.6180339887) % 1) * written[at]!)]! ^= 1 << (round % 8);
      const damaged = segments.map((segment, index) => (index === at ? { ...segment, content } : segment));
      const found = await log.find({ kinds: ALL }, damaged).catch((error: unknown) => error);
      if (found instanceof Error) noticed += 1;
      if (found instanceof Error) expect(found).toBeInstanceOf(WalError);
      else expect(lines(found as ChangesFound)).toEqual(sane);
    }
    expect(noticed).toBeGreaterThan(3);
  });
});

function lastByte(content: Buffer): number {
  for (let at = content.length - 1; at > 0; at--) if (content[at] !== 0) return at;
  return 0;
}
