import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { bind, cancelRequest, execute, message, parse, sync } from '../../src/postgres/wire/messages.js';
import { login32 } from './raw-login.js';
import { admin, connected, type House, hasPsql, openHouse, PASSWORDS, rawClient, until } from './support.js';

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

/** Restarts the real server under all sessions; what is asked meanwhile is in `meanwhile`. */
async function restart(late: 'abort' | 'close' = 'abort', meanwhile = async () => {}, seconds = 10) {
  const { front, postgres, config } = house;
  const held = await front.hold(seconds, late);
  await postgres.stop('fast');
  await meanwhile();
  await postgres.start();
  const { kept, closed } = await front.resume(config);
  return { held: held.held, kept, closed: { ...held.closed, ...closed } };
}

const one = async (client: pg.Client, sql: string, values?: unknown[]) =>
  Object.values((await client.query(sql, values)).rows[0] as object)[0] as unknown;

/** Lets everybody come and says nothing, as a server that hangs. */
async function silentServer(path: string) {
  const guests = new Set<Socket>();
  const server = createServer((socket) => {
    guests.add(socket);
    socket.on('error', () => undefined).once('close', () => guests.delete(socket));
  });
  await rm(path, { force: true });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    guests: () => guests.size,
    close: async () => {
      server.close();
      for (const guest of guests) guest.destroy();
      await once(server, 'close');
    },
  };
}

const pid = (client: pg.Client) => one(client, 'SELECT pg_backend_pid()');

describe('a restart of the server under its sessions', () => {
  test('is not noticed but by the process id, and queries wait meanwhile', async () => {
    const client = await connected(alpha);
    const before = await pid(client);
    let waiting: Promise<unknown> | undefined;
    expect(
      await restart('abort', async () => {
        waiting = one(client, 'SELECT 41 + 1');
        expect(house.front.holding).toBe(true);
      }),
    ).toEqual({ held: 1, kept: 1, closed: {} });
    expect(house.front.holding).toBe(false);
    expect(await waiting).toBe(42);
    expect(await pid(client)).not.toBe(before);
    expect(client.errors).toEqual([]);
  });

  test('lets a login wait that comes meanwhile', async () => {
    let late: Promise<pg.Client> | undefined;
    await restart('abort', async () => {
      late = connected(alpha);
      await until(() => house.front.sessions === 0, 'it waits');
    });
    expect(await one(await late!, 'SELECT 1')).toBe(1);
  });

  test('is waited out by a login that knows nothing of another server than its own', async () => {
    const replica = house.config.primary;
    const { front, config, door } = await house.withConfig({ replica });
    const { port } = await door('alpha');
    await house.postgres.stop('kill');
    const login = connected(port).catch((error) => error);
    await until(() => front.sessionsByVerifier().length === 1, 'it looks for its server');
    await front.reload({ ...config, replica: { ...replica, port: 1 } });
    await house.postgres.start();
    expect(await one(await login, 'SELECT 1')).toBe(1);
  });

  test('keeps settings, also those from the start, their RESET values and custom ones', async () => {
    const client = await connected(alpha, 'app_rw_alpha', { options: '-c work_mem=5MB -c app.start=early' });
    await client.query(`SET work_mem = '9MB'; SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo';
      SET search_path = "we ird", public; SET statement_timeout = '77s'; SET default_transaction_read_only = on;
      SET default_transaction_isolation = 'serializable'; SET app.tenant_id = 'tenant 7'; SET "Other"."x" = ' y''"'`);
    await client.query(`SELECT set_config('app.by_function', 'yes', false)`);
    const all = `SELECT json_build_object('a', current_setting('work_mem'), 'b', current_setting('DateStyle'),
      'c', current_setting('TimeZone'), 'd', current_setting('search_path'), 'e', current_setting('statement_timeout'),
      'f', current_setting('default_transaction_read_only'), 'g', current_setting('default_transaction_isolation'),
      'h', current_setting('app.tenant_id'), 'i', current_setting('other.x'), 'j', current_setting('app.by_function'),
      'k', current_setting('app.start'), 'l', current_setting('application_name'))`;
    const before = await one(client, all);
    expect(await restart()).toMatchObject({ kept: 1 });
    expect(await one(client, all)).toEqual(before);
    await client.query('RESET work_mem');
    expect(await one(client, 'SHOW work_mem')).toBe('5MB');
    expect(await one(client, `SELECT source FROM pg_settings WHERE name = 'lock_timeout'`)).toBe('default');
  });

  test('keeps custom settings that functions have made, or does not move while their names cannot be told', async () => {
    const client = await connected(alpha);
    try {
      await client.query(`CREATE FUNCTION as_tenant(t text) RETURNS void LANGUAGE plpgsql AS
        $$BEGIN PERFORM set_config('app.tenant_of_function', t, false); END$$`);
      await client.query(`SELECT as_tenant('nine')`);
      expect(await restart()).toMatchObject({ kept: 1 });
      expect(await one(client, `SELECT current_setting('app.tenant_of_function')`)).toBe('nine');
      await client.query(`CREATE FUNCTION any_setting(n text) RETURNS text LANGUAGE sql AS
        $$SELECT set_config(n, 'x', false)$$`);
      await expect(house.front.hold(5, 'abort')).rejects.toThrow('1 custom_settings');
    } finally {
      await client.query('DROP FUNCTION IF EXISTS as_tenant(text), any_setting(text)');
    }
  });

  test('keeps the role', async () => {
    const boss = await admin(house.postgres);
    await boss.query(`CREATE ROLE clerk; GRANT clerk TO app_rw_alpha`);
    await boss.end();
    const client = await connected(alpha);
    await client.query('SET ROLE clerk');
    expect(await restart()).toMatchObject({ kept: 1 });
    expect(await one(client, 'SELECT current_user')).toBe('clerk');
    await client.query('RESET ROLE');
    expect(await one(client, 'SELECT current_user')).toBe('app_rw_alpha');
  });

  test('keeps prepared statements, by name and by SQL', async () => {
    const client = await connected(alpha);
    const named = { name: 'na"me ü', text: `SELECT $1::int + 1 AS n, 'ü;'''` };
    await client.query({ ...named, values: [1] });
    await client.query(`PREPARE by_sql (int) AS SELECT $1 * 2`);
    await restart();
    expect((await client.query({ ...named, values: [7] })).rows[0].n).toBe(8);
    expect(await one(client, 'EXECUTE by_sql(21)')).toBe(42);
  });

  test('keeps lastval(), for every role', async () => {
    const client = await connected(alpha);
    await client.query('CREATE TABLE counted (id serial)');
    await client.query('INSERT INTO counted SELECT FROM generate_series(1, 5)');
    for (let i = 0; i < 2; i++) {
      expect(await restart()).toMatchObject({ kept: 1 });
      expect(await one(client, 'SELECT lastval()')).toBe('5');
    }
    await client.query('DROP TABLE counted');
  });

  test('keeps LISTEN, and loses no notification of before, meanwhile and after', async () => {
    const [listener, sender] = [await connected(alpha), await connected(alpha)];
    const heard: string[] = [];
    listener.on('notification', ({ channel, payload }) => heard.push(`${channel}:${payload}`));
    await listener.query('LISTEN "News ""ü"""');
    const send = (n: number) => sender.query(`SELECT pg_notify('News "ü"', $1)`, [String(n)]);
    for (const n of [0, 1, 2]) await send(n);
    const later: Promise<unknown>[] = [];
    await restart('abort', async () => {
      later.push(send(3).then(() => send(4)));
    });
    await Promise.all(later);
    await send(5);
    await until(() => heard.length >= 6, 'all are heard');
    expect(heard).toEqual([0, 1, 2, 3, 4, 5].map((n) => `News "ü":${n}`));
  });

  test('keeps the encoding of the client', async () => {
    const client = await connected(alpha);
    await client.query(`SET client_encoding TO 'LATIN1'`);
    await client.query({ name: 'umlaut', text: `SELECT encode(convert_to('\u00e4', 'UTF8'), 'hex')` });
    const before = await one(client, 'EXECUTE umlaut');
    expect(await restart()).toMatchObject({ kept: 1 });
    expect(await one(client, 'SHOW client_encoding')).toBe('LATIN1');
    expect(await one(client, 'EXECUTE umlaut')).toBe(before);
  });

  test('keeps a pipelining client, with every answer once and in order', async () => {
    const client = await login32(alpha);
    // All at once, and answered one after the other.
    const numbers = Array.from({ length: 300 }, (_, i) => `<${i}>`);
    client.socket.write(Buffer.concat(numbers.map((n) => message('Q', `SELECT '${n}', pg_sleep(0.001)`))));
    expect(await restart()).toMatchObject({ kept: 1 });
    await until(() => client.received().includes('<299>'), 'all is answered');
    expect(client.received().toString('latin1').match(/<\d+>/g)).toEqual(numbers);
    client.socket.destroy();
  });

  test('keeps the unnamed statement, and what the client has said of its next message', async () => {
    const client = await login32(alpha);
    client.socket.write(Buffer.concat([parse('', `SELECT '<kept>'`), sync]));
    await until(
      () => client.received().includes(Buffer.concat([message('1'), message('Z', Buffer.from('I'))])),
      'it is made',
    );
    const next = Buffer.concat([bind(''), execute, sync]);
    await restart('abort', async () => {
      client.socket.write(next.subarray(0, 3));
    });
    client.socket.write(next.subarray(3));
    await until(() => client.received().includes('<kept>'), 'it is answered');
    client.socket.destroy();
  });

  test('waits for the rest of a message that was forwarded half', async () => {
    const client = await login32(alpha);
    const question = message('Q', `SELECT '<whole>'`);
    client.socket.write(question.subarray(0, 9));
    await until(() => house.front.sessions === 1, 'it is in');
    await sleep(50);
    const moved = restart();
    client.socket.write(question.subarray(9));
    expect(await moved).toMatchObject({ kept: 1 });
    await until(() => client.received().includes('<whole>'), 'it is answered');
    client.socket.destroy();
  });

  test('keeps the key that cancels', async () => {
    const client = await login32(alpha);
    await restart();
    client.query('SELECT pg_sleep(600)');
    await until(async () => {
      const cancel = rawClient(alpha);
      cancel.socket.write(cancelRequest(client.key));
      await cancel.closed;
      return client.received().includes('57014');
    }, 'the query is cancelled');
    client.socket.destroy();
  });
});

describe('advisory locks', () => {
  const LOCKS = [
    ['pg_advisory_lock(-9223372036854775807)', 2],
    ['pg_advisory_lock_shared(7, -3)', 3],
    ['pg_advisory_lock(7, -3)', 1],
  ] as const;
  const held = `SELECT json_agg(json_build_array(classid, objid, objsubid, mode) ORDER BY classid, objid, mode) AS held
    FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`;

  test('are kept with their counts, and nobody gets between', async () => {
    const [owner, contender] = [await connected(alpha), await connected(alpha)];
    for (const [lock, count] of LOCKS) for (let i = 0; i < count; i++) await owner.query(`SELECT ${lock}`);
    const before = await one(owner, held);
    expect(before).toHaveLength(3);
    let grabbed: Promise<unknown> | undefined;
    expect(
      await restart('abort', async () => {
        grabbed = one(contender, 'SELECT pg_try_advisory_lock_shared(7, -3)');
      }),
    ).toMatchObject({ kept: 2 });
    expect(await grabbed).toBe(false);
    expect(await one(owner, held)).toEqual(before);
    for (const [lock, count] of LOCKS) {
      const unlock = `SELECT ${lock.replace('lock', 'unlock')}`;
      for (let i = 0; i < count; i++) expect(await one(owner, unlock)).toBe(true);
    }
    expect(await one(owner, held)).toBe(null);
  });
});

describe('a crash of the server', () => {
  test.each(['immediate', 'kill'] as const)('(%s) is outlived by idle sessions whose state is known', async (how) => {
    const before = house.front.counters.snapshots_taken ?? 0;
    const waiting = house.front.counters.sessions_waiting ?? 0;
    const [idle, listener] = [await connected(alpha), await connected(alpha)];
    await idle.query(`SET app.tenant = 'seven'`);
    await listener.query('LISTEN news');
    await until(() => house.front.counters.snapshots_taken! >= before + 2, 'the sessions are known');
    const busy = await connected(alpha);
    const query = busy.query('SELECT pg_sleep(600)').catch((error) => error);
    await until(async () => {
      const boss = await admin(house.postgres);
      const { rows } = await boss.query(
        `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%sleep(600)' AND state = 'active'`,
      );
      await boss.end();
      return rows.length === 1;
    }, 'the query runs');
    await house.postgres.stop(how);
    // What is said before the gateway knows goes down with the server.
    await until(() => house.front.counters.sessions_waiting === waiting + 1, 'the idle one has lost its server');
    const answer = one(idle, `SELECT current_setting('app.tenant')`);
    expect(await query).toMatchObject({ code: '57P02' });
    await until(() => listener.errors.length > 0, 'the listener hears of it');
    await house.postgres.start();
    expect(await answer).toBe('seven');
    expect(idle.errors).toEqual([]);
  });

  test('is outlived by those that were asked just before it, however lately they spoke', async () => {
    const client = await connected(alpha);
    await client.query(`SET app.tenant = 'nine'`);
    await house.front.ask();
    await house.postgres.stop('kill');
    await house.postgres.start();
    expect(await one(client, `SELECT current_setting('app.tenant')`)).toBe('nine');
    expect(client.errors).toEqual([]);
  });

  test('has a few sessions at a time look for the server that comes', async () => {
    const clients = await Promise.all(Array.from({ length: 40 }, () => connected(alpha)));
    await house.front.ask();
    const waiting = house.front.counters.sessions_waiting ?? 0;
    await house.postgres.stop('kill');
    await until(() => house.front.counters.sessions_waiting === waiting + 40, 'all have lost their server');
    const silent = await silentServer(join(house.postgres.socketDirectory, `.s.PGSQL.${house.postgres.port}`));
    await until(() => silent.guests() > 0, 'the first have come');
    expect(silent.guests()).toBeLessThan(40);
    await silent.close();
    await house.postgres.start();
    expect(await Promise.all(clients.map((client) => one(client, 'SELECT 1')))).toEqual(Array(40).fill(1));
    expect(clients.flatMap(({ errors }) => errors)).toEqual([]);
  });

  test('and a new generation: those that are known go on, the others end, and both are counted', async () => {
    const { front, config, door } = await house.withConfig({});
    const { port } = await door('alpha');
    const [idle, said] = [await connected(port), await connected(port)];
    await idle.query(`PREPARE kept AS SELECT 'kept'`);
    const known = async (count: number) => until(() => front.counters.snapshots_taken === count, 'sessions are known');
    await known(2);
    const old = await pid(idle); // which makes it unknown
    await known(3);
    await said.query('SELECT 2');
    expect(await front.reload({ ...config, generation: config.generation + 1 })).toEqual({
      kept: 1,
      closed: { server: 1 },
    });
    expect(await one(idle, 'EXECUTE kept')).toBe('kept');
    expect(await pid(idle)).not.toBe(old);
    await until(() => said.errors.length > 0, 'the other one hears of it');
    expect(said.errors[0]).toMatchObject({ code: '57P01' });
  });
});

describe('what cannot be moved', () => {
  test.each([
    ['temporary objects', 'temporary_objects', ['CREATE TEMP TABLE t (n int)']],
    [
      'a temporary function',
      'temporary_objects',
      [`CREATE FUNCTION pg_temp.f() RETURNS int AS 'SELECT 1' LANGUAGE sql`],
    ],
    ['a computed custom setting', 'custom_settings', [`SELECT set_config('app.' || 'x', '1', false)`]],
  ])('%s: the move is refused, or the session is closed with 57P01 and counted', async (_what, kind, statements) => {
    const [client, other] = [await connected(alpha), await connected(alpha)];
    for (const sql of statements) await client.query(sql);
    await expect(house.front.hold(5, 'abort')).rejects.toThrow(`1 ${kind}`);
    expect(await one(client, 'SELECT 1')).toBe(1);
    const before = house.front.counters[`sessions_closed_${kind}`] ?? 0;
    expect(await restart('close')).toEqual({ held: 1, kept: 1, closed: { [kind]: 1 } });
    expect(house.front.counters[`sessions_closed_${kind}`]).toBe(before + 1);
    await until(() => client.errors.length > 0, 'it hears of it');
    expect(client.errors[0]).toMatchObject({ code: '57P01', severity: 'FATAL' });
    expect(await one(other, 'SELECT 1')).toBe(1);
  });

  test('a transaction is waited for', async () => {
    const client = await connected(alpha);
    await client.query('BEGIN');
    const moved = restart();
    expect(await one(client, 'SELECT 1')).toBe(1);
    await client.query('COMMIT');
    expect(await moved).toMatchObject({ kept: 1, closed: {} });
    expect(await one(client, 'SELECT 1')).toBe(1);
  });

  test('a transaction that does not end stops the move, and goes on', async () => {
    const client = await connected(alpha);
    await client.query('BEGIN; CREATE TABLE kept_open (n int)');
    await expect(house.front.hold(0.2, 'abort')).rejects.toThrow('1 transaction');
    await client.query('ROLLBACK');
    await client.query('BEGIN');
    expect(await restart('close', undefined, 0.3)).toEqual({ held: 0, kept: 0, closed: { transaction: 1 } });
    await until(() => client.errors.length > 0, 'it hears of it');
    expect(client.errors[0]).toMatchObject({ code: '57P01' });
  });
});

test('without a word the client is told the new parameters only', async () => {
  const client = await connected(alpha);
  const told: unknown[] = [];
  (client as unknown as { connection: pg.Client }).connection.on('parameterStatus' as 'error', (m) => told.push(m));
  await restart();
  expect(await one(client, 'SELECT 1')).toBe(1);
  expect(told).toEqual([]);
});

test.skipIf(!hasPsql)('psql goes on over two restarts (needs psql)', async () => {
  const dsn = `host=127.0.0.1 port=${alpha} user=app_rw_alpha dbname=alpha sslmode=require`;
  const env = { ...process.env, PGPASSWORD: PASSWORDS.app_rw_alpha, PGSSLCERT: '/nonexistent' };
  const psql = spawn('psql', ['-XAtq', dsn], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '';
  for (const stream of [psql.stdout, psql.stderr])
    stream.on('data', (chunk) => {
      out += chunk;
    });
  const exit = once(psql, 'exit');
  try {
    psql.stdin.write(`SET app.x = 'seven'; PREPARE p AS SELECT 'prepared'; LISTEN news;\n\\echo ready\n`);
    await until(() => out.includes('ready'), 'psql is ready');
    for (const round of ['first', 'second']) {
      expect(await restart()).toMatchObject({ kept: 1 });
      psql.stdin.write(`SELECT current_setting('app.x') || ' ${round}'; EXECUTE p;\nNOTIFY news, '${round}';\n`);
      await until(() => out.includes(`seven ${round}\nprepared\n`) && out.includes(`payload "${round}"`), 'it answers');
    }
    psql.stdin.end();
    expect(await exit).toEqual([0, null]);
    expect(out).not.toContain('FATAL');
  } finally {
    psql.kill('SIGKILL');
  }
});
