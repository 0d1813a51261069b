import type pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { connected, type House, openHouse, PASSWORDS, until } from './support.js';

let house: House;
let alpha: number;
beforeAll(async () => {
  house = await openHouse();
  alpha = (await house.door('alpha')).port;
});
afterAll(() => house.close());
afterEach(async () => {
  house.front.closeSessions(Object.keys(PASSWORDS), []);
  await until(() => house.front.sessions === 0, 'no session is left');
});

/** Other server processes, of the same server: what was in the old ones is gone. */
async function move(late: 'abort' | 'close' = 'abort') {
  const { closed, held } = await house.front.hold(20, late);
  return { held, closed, moved: await house.front.resume(house.config) };
}

/** Rows and what is said of the columns, the table that they come from apart. */
async function fetched(client: pg.Client, sql: string) {
  const asTheyCome = { getTypeParser: () => (value: unknown) => value };
  const { rows, fields } = await client.query({ text: sql, rowMode: 'array', types: asTheyCome as never });
  return { rows, fields: fields.map(({ name, dataTypeID, dataTypeModifier }) => [name, dataTypeID, dataTypeModifier]) };
}

const NUMBERS = 'SELECT n, n * 2 AS twice FROM generate_series(1, 5) n';

test('cursors that only go forward have the rows that they had left', async () => {
  const client = await connected(alpha);
  await client.query(
    `DECLARE "c ""ü" NO SCROLL CURSOR WITH HOLD FOR ${NUMBERS}; DECLARE done NO SCROLL CURSOR WITH HOLD FOR ${NUMBERS}`,
  );
  await client.query('FETCH 2 FROM "c ""ü"; MOVE ALL FROM done');
  for (let turn = 0; turn < 2; turn++) {
    expect(await move()).toEqual({ held: 1, closed: {}, moved: { kept: 1, closed: {} } });
    expect((await fetched(client, 'FETCH 1 FROM "c ""ü"')).rows).toEqual([[`${turn + 3}`, `${(turn + 3) * 2}`]]);
  }
  expect((await fetched(client, 'FETCH ALL FROM "c ""ü"')).rows).toEqual([['5', '10']]);
  expect((await fetched(client, 'FETCH ALL FROM done')).rows).toEqual([]);
  await expect(client.query('FETCH PRIOR FROM done')).rejects.toMatchObject({ code: '55000' });
});

test('cursors that scroll stand where they stood', async () => {
  const client = await connected(alpha);
  const ways = ['', 'MOVE 1 FROM', 'MOVE 3 FROM', 'MOVE 5 FROM', 'MOVE ALL FROM', 'MOVE LAST FROM'].flatMap((way) => [
    [way, NUMBERS],
    [way, 'SELECT 1 AS nothing WHERE false'],
  ]) as [string, string][];
  const open = async (prefix: string) => {
    for (const [i, [way, sql]] of ways.entries()) {
      await client.query(`DECLARE ${prefix}${i} SCROLL CURSOR WITH HOLD FOR ${sql}`);
      if (way) await client.query(`${way} ${prefix}${i}`);
    }
  };
  await open('moved');
  expect(await move()).toMatchObject({ moved: { kept: 1 } });
  await open('other');
  for (const [i, way] of ways.entries())
    for (const step of ['RELATIVE 0', 'NEXT', 'PRIOR', 'BACKWARD 2', 'ABSOLUTE -1', 'FORWARD ALL'])
      expect(await fetched(client, `FETCH ${step} FROM moved${i}`), `${way} ${step}`).toEqual(
        await fetched(client, `FETCH ${step} FROM other${i}`),
      );
});

const VALUES = `SELECT 1::int2, -2::int8, 'text ü'::text, NULL::text AS "?column?", 'ab'::varchar(3), 'ab'::char(5), 'n'::name, '\\200'::"char",
  1.10::numeric(10,2), 'NaN'::numeric, 0.1::float4 + 0.2::float4, 0.1::float8 + 0.2::float8, '-Infinity'::float8, '12.34'::money,
  true, '\\x00ff'::bytea, '{"a": [1, "x"],  "a": null}'::json, '"s"'::json, '"s"'::jsonb, 'null'::jsonb, '{1,NULL,"NULL"}'::text[],
  '[0:1]={1,2}'::int[], ARRAY['{"b":1}'::jsonb], '2024-02-29'::date, '0044-03-15 BC'::date, '2024-02-29 12:34:56.789'::timestamp,
  '2024-02-29 12:34:56.789+05:30'::timestamptz, 'infinity'::timestamptz, '12:34:56.7+02'::timetz, '1 mon -3 days 04:05:06.7'::interval,
  '1 day'::interval day, B'101'::bit(3), B'1'::varbit(7), '10.1.2.3/8'::inet, '(1,2)'::point, '<(1,2),3>'::circle, '[1,5)'::int4range,
  'a b'::tsvector, 'a & b'::tsquery, '16/B374D848'::pg_lsn, gen_random_uuid() IS NULL, 'pg_class'::regclass, 'int4'::regtype,
  'happy'::"Mood ü", ARRAY['happy'::"Mood ü"], ROW(1, 'x,"')::pair, 7::small, '<a>&amp;</a>'::xml`;

test('values of all types are the same, whatever the client has set, also in a binary cursor', async () => {
  const client = await connected(alpha);
  await client.query(
    `CREATE TYPE "Mood ü" AS ENUM ('happy'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN small AS int4 CHECK (value < 9)`,
  );
  try {
    await client.query(`SET DateStyle = 'German, DMY'; SET IntervalStyle = 'sql_standard'; SET extra_float_digits = 0;
      SET bytea_output = 'escape'; SET TimeZone = 'Asia/Tokyo'; SET array_nulls = off; SET search_path = pg_temp, public`);
    for (const how of ['', 'BINARY'])
      await client.query(
        `DECLARE moved${how} ${how} SCROLL CURSOR WITH HOLD FOR SELECT * FROM (${VALUES}) v, generate_series(1, 250)`,
      );
    expect(await move()).toMatchObject({ moved: { kept: 1 } });
    for (const how of ['', 'BINARY']) {
      await client.query(
        `DECLARE other${how} ${how} SCROLL CURSOR WITH HOLD FOR SELECT * FROM (${VALUES}) v, generate_series(1, 250)`,
      );
      const all = await fetched(client, `FETCH ALL FROM moved${how}`);
      expect(all.rows.length).toBe(250);
      expect(all).toEqual(await fetched(client, `FETCH ALL FROM other${how}`));
    }
  } finally {
    await client.query(`RESET search_path; CLOSE ALL; DROP TYPE "Mood ü", pair; DROP DOMAIN small`);
  }
});

test.each([
  ['beyond 1 MiB', `SELECT repeat('x', 1000) FROM generate_series(1, 2000)`],
  ['with one row beyond it', `SELECT repeat('x', 5000000)`],
  ['with values of no type that could be declared', `SELECT ROW(1, 2)`],
  ['without columns', 'SELECT'],
])('a session with a cursor %s ends', async (_what, sql) => {
  const [client, other] = [await connected(alpha), await connected(alpha)];
  const bytes: Buffer[] = [];
  const { stream } = (client as unknown as { connection: { stream: NodeJS.ReadableStream } }).connection;
  await client.query(`DECLARE c CURSOR WITH HOLD FOR ${sql}`);
  await other.query(`DECLARE c CURSOR WITH HOLD FOR SELECT 'kept'`);
  stream.on('data', (chunk: Buffer) => bytes.push(chunk));
  const { closed, moved } = await move();
  expect({ closed: { ...closed, ...moved.closed }, kept: moved.kept }).toEqual({ closed: { cursors: 1 }, kept: 1 });
  await until(() => client.errors.length > 0, 'it hears of it');
  expect(client.errors[0]).toMatchObject({ code: '57P01', severity: 'FATAL' });
  // Nothing of what the gateway has read for itself.
  expect(Buffer.concat(bytes).length).toBeLessThan(200);
  expect((await fetched(other, 'FETCH ALL FROM c')).rows).toEqual([['kept']]);
});
