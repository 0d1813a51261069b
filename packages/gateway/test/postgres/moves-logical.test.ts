import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type RealPostgres, realPostgres } from '../../src/postgres/testing/real-postgres.js';
import { bind, execute, parse, sync } from '../../src/postgres/wire/messages.js';
import { programs } from './on-major.js';
import { login32 } from './raw-login.js';
import { admin, connected, type House, openHouse, PASSWORDS, until } from './support.js';

/** What a logical copy of a database has, under other OIDs. */
const SCHEMA = `CREATE TYPE mood AS ENUM ('low', 'high'); CREATE TABLE people (id int, mood mood);
  INSERT INTO people VALUES (1, 'high'); CREATE ROLE clerk; GRANT clerk TO app_rw_alpha; GRANT ALL ON people TO public`;

const full = process.env.BOREALIS_TEST === 'full';

const one = async (client: pg.Client, sql: string, values?: unknown[]) =>
  Object.values((await client.query(sql, values)).rows[0] as object)[0] as unknown;

describe.each([
  ['of the same major, with other catalogs', null],
  ['of the next major (full)', ['15', '16']],
  ['five majors on (full)', ['13', '18']],
] as const)('sessions that are moved to a server %s', (_what, majors) => {
  const runs = majors === null || full;
  let house: House;
  let next: RealPostgres;
  let alpha: number;
  /** Alternately the one and the other. */
  let turn = 0;

  beforeAll(async () => {
    if (!runs) return;
    house = await openHouse(majors ? await programs(majors[0]) : undefined);
    next = await realPostgres(majors ? await programs(majors[1]) : undefined);
    for (const [index, server] of [house.postgres, next].entries()) {
      const boss = await admin(server, 'alpha');
      // Else both may have given the same OIDs.
      for (let n = 0; n < index * 20; n++) await boss.query(`CREATE TYPE filler${n} AS ENUM ('x')`);
      await boss.query(SCHEMA);
      await boss.end();
    }
    alpha = (await house.door('alpha')).port;
  });
  afterAll(async () => {
    await house?.close();
    await next?.remove();
  });
  afterEach(async () => {
    house?.front.closeSessions(Object.keys(PASSWORDS), []);
    await until(() => !house || house.front.sessions === 0, 'no session is left');
  });

  async function cutOver() {
    const { front, config, postgres } = house;
    const held = await front.hold(20, 'abort');
    turn++;
    const { socketDirectory, port } = turn % 2 === 1 ? next : postgres;
    const moved = await front.resume({
      ...config,
      primary: { socketDirectory, port },
      generation: config.generation + turn,
      catalogs: turn % 2 === 1 ? 'the next' : '',
    });
    return { ...moved, held: held.held, closedAtHold: held.closed };
  }

  test.skipIf(!runs)('go on where only built-in types were spoken of, with everything', async () => {
    const client = await connected(alpha);
    const told: Record<string, string> = {};
    (client as unknown as { connection: pg.Client }).connection.on('parameterStatus' as 'error', (m) => {
      const { parameterName, parameterValue } = m as unknown as { parameterName: string; parameterValue: string };
      told[parameterName] = parameterValue;
    });
    const named = {
      name: 'by id',
      text: 'SELECT id, $2::text AS said FROM people WHERE id = $1',
      values: [1, 'hello'],
    };
    await client.query(named);
    await client.query(`PREPARE by_sql (int) AS SELECT $1 * 2 FROM people WHERE mood = 'high'`);
    await client.query(`SET work_mem = '7MB'; SET app.tenant = 'seven'; SET ROLE clerk; LISTEN news`);
    await one(client, 'SELECT pg_advisory_lock(7)');
    await client.query('DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT id FROM people; FETCH 1 FROM c');
    const heard: unknown[] = [];
    client.on('notification', ({ payload }) => heard.push(payload));
    expect(await cutOver()).toEqual({ kept: 1, closed: {}, held: 1, closedAtHold: {} });
    expect((await client.query(named)).rows).toEqual([{ id: 1, said: 'hello' }]);
    expect(await one(client, 'EXECUTE by_sql(21)')).toBe(42);
    const state = `SELECT concat_ws(' ', current_setting('work_mem'), current_setting('app.tenant'), current_user)`;
    expect(await one(client, state)).toBe('7MB seven clerk');
    await client.query(`NOTIFY news, 'here'`);
    await until(() => heard.length > 0, 'it is heard');
    expect(await one(client, 'SELECT pg_advisory_unlock(7)')).toBe(true);
    expect(await one(client, 'FETCH RELATIVE 0 FROM c')).toBe(1);
    if (majors) expect(told.server_version).toMatch(new RegExp(`^${turn % 2 === 1 ? majors[1] : majors[0]}\\.`));
    expect(client.errors).toEqual([]);
  });

  test.skipIf(!runs).each<[string, (client: pg.Client) => Promise<unknown>]>([
    ['has read a column of such a type', (client) => client.query('SELECT mood FROM people')],
    [
      'has prepared a statement with such a parameter',
      (client) => client.query({ name: 'of mood', text: 'SELECT id FROM people WHERE mood = $1', values: ['high'] }),
    ],
    ['has prepared one by SQL', (client) => client.query('PREPARE p (mood) AS SELECT id FROM people WHERE mood = $1')],
    [
      'has a cursor with such a column',
      (client) => client.query('DECLARE c CURSOR WITH HOLD FOR SELECT mood FROM people'),
    ],
    ['was told the numbers of types', (client) => client.query('SELECT oid, typname FROM pg_type')],
    ['was told the number of a table', (client) => client.query('SELECT tableoid FROM people')],
    ['may have read some within a row', (client) => client.query('SELECT ROW(id, mood) FROM people')],
  ])('end where its client %s', async (_case, use) => {
    const [client, other] = [await connected(alpha), await connected(alpha)];
    await use(client);
    const before = house.front.counters.sessions_closed_types ?? 0;
    expect(await cutOver()).toMatchObject({ held: 2, kept: 1, closed: { types: 1 } });
    expect(house.front.counters.sessions_closed_types).toBe(before + 1);
    await until(() => client.errors.length > 0, 'it hears of it');
    expect(client.errors[0]).toMatchObject({ code: '57P01', message: expect.stringContaining('a major upgrade') });
    expect(await one(other, 'SELECT 1')).toBe(1);
  });

  test.skipIf(!runs)('end where a lock has the number of a table as its key', async () => {
    const client = await connected(alpha);
    await client.query(`DO $$BEGIN PERFORM pg_advisory_lock('people'::regclass::oid::int, 1); END$$`);
    expect(await cutOver()).toMatchObject({ kept: 0, closed: { advisory_locks: 1 } });
  });

  test.skipIf(!runs)('end where the client names such a type itself', async () => {
    const boss = await admin(turn % 2 === 1 ? next : house.postgres, 'alpha');
    const oid = (await boss.query(`SELECT 'mood'::regtype::oid AS oid`)).rows[0].oid as number;
    await boss.end();
    const client = await login32(alpha);
    client.socket.write(
      Buffer.concat([parse('', `SELECT '<' || $1 || '>'`, [oid]), bind('', ['high']), execute, sync]),
    );
    await until(() => client.received().includes('<high>'), 'it is answered');
    expect(await cutOver()).toMatchObject({ kept: 0, closed: { types: 1 } });
    await client.closed;
    expect(client.received().toString('latin1')).toContain('a major upgrade');
  });

  // Known to 13 alone, in these pairs.
  test.skipIf(!runs || majors?.[0] !== '13')('end where they have a setting that is gone', async () => {
    if (turn % 2 === 1) await cutOver();
    const [bySet, byStart] = [
      await connected(alpha),
      await connected(alpha, 'app_rw_alpha', { options: '-c operator_precedence_warning=on' }),
    ];
    await bySet.query('SET vacuum_cleanup_index_scale_factor = 1');
    expect(await cutOver()).toMatchObject({ kept: 0, closed: { settings: 2 } });
    for (const { errors } of [bySet, byStart]) {
      await until(() => errors.length > 0, 'they hear of it');
      expect(errors[0]).toMatchObject({ code: '57P01' });
    }
  });

  test.skipIf(!runs)('go on with everything where the catalogs are the same after all', async () => {
    const client = await connected(alpha);
    await client.query('SELECT mood FROM people');
    await house.front.hold(20, 'abort');
    const { socketDirectory, port } = turn % 2 === 1 ? next : house.postgres;
    const catalogs = turn % 2 === 1 ? 'the next' : '';
    const primary = { socketDirectory, port };
    const generation = house.config.generation + turn;
    expect(await house.front.resume({ ...house.config, primary, generation, catalogs })).toEqual({
      kept: 1,
      closed: {},
    });
    expect(await one(client, 'SELECT mood FROM people')).toBe('high');
  });
});
