import { connect } from 'node:net';
import { type Duplex, PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { verifierDigest } from '@borealis/contract';
import type pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openBackend } from '../../src/postgres/backend/open.js';
import { Places } from '../../src/postgres/backend/place.js';
import { Refused } from '../../src/postgres/refusals.js';
import { Session } from '../../src/postgres/session/session.js';
import { Teardowns } from '../../src/postgres/session/teardowns.js';
import { cancelRequest, int32, message, startupMessage } from '../../src/postgres/wire/messages.js';
import { login32 } from './raw-login.js';
import { admin, connected, directTls, type House, openHouse, PASSWORDS, raw, rawClient, until } from './support.js';

let house: House;
let alpha: number;
let boss: pg.Client;
beforeAll(async () => {
  house = await openHouse();
  alpha = (await house.door('alpha')).port;
  boss = await admin(house.postgres);
});
afterAll(async () => {
  await boss.end();
  await house.close();
});

/** So that a test that fails takes no other with it. */
afterEach(async () => {
  house.front.closeSessions(Object.keys(PASSWORDS), []);
  await until(async () => (await backends('app_%')) === 0, 'no session is left');
});

/** How many server processes run, or did last, a query with this mark in it. */
const running = async (mark: string, state = 'active') => {
  const { rows } = await boss.query(
    'SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE $1 AND state = $2 AND pid <> pg_backend_pid()',
    [`%${mark}%`, state],
  );
  return rows[0].n as number;
};
const backends = async (role = 'app_rw_alpha') =>
  Number((await boss.query('SELECT count(*) FROM pg_stat_activity WHERE usename LIKE $1', [role])).rows[0].count);

/** The key that a `pg` client got from the gateway. */
const keyOf = (client: pg.Client) => {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  return Buffer.concat([int32(processID), int32(secretKey)]);
};

async function sendCancel(port: number, key: Buffer, tls = false): Promise<void> {
  const client = tls ? raw(await directTls(port)) : rawClient(port);
  client.socket.write(cancelRequest(key));
  await client.closed;
  expect(client.received()).toHaveLength(0);
}

describe('a cancel request', () => {
  test.each([false, true])('ends the query with 57014 (in TLS: %s)', async (tls) => {
    const client = await connected(alpha);
    const query = client.query(`SELECT 'cancel-${tls}', pg_sleep(600)`).catch((error) => error);
    await until(async () => (await running(`cancel-${tls}`)) === 1, 'the query runs');
    await sendCancel(alpha, keyOf(client), tls);
    expect(await query).toMatchObject({ code: '57014' });
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await client.end();
  });

  test('through another tunnel, with a wrong secret, or for an ended session does nothing', async () => {
    const beta = (await house.door('beta')).port;
    const client = await connected(alpha);
    const key = keyOf(client);
    const wrong = Buffer.from(key);
    wrong[7]! ^= 1;
    const query = client.query(`SELECT 'not-cancelled', pg_sleep(600)`).catch((error) => error);
    await until(async () => (await running('not-cancelled')) === 1, 'the query runs');
    await sendCancel(beta, key);
    await sendCancel(alpha, wrong);
    expect(await running('not-cancelled')).toBe(1);
    await sendCancel(alpha, key);
    expect(await query).toMatchObject({ code: '57014' });
    await client.end();
    await until(() => house.front.sessions === 0, 'the session has ended');
    const ignored = house.front.counters.cancels_ignored!;
    await sendCancel(alpha, key);
    expect(house.front.counters.cancels_ignored).toBe(ignored + 1);
  });

  test('is dropped after too many guesses', async () => {
    const { port } = await (await house.withConfig({})).door('alpha');
    const client = await connected(port);
    const query = client.query(`SELECT 'guessed', pg_sleep(600)`).catch((error) => error);
    await until(async () => (await running('guessed')) === 1, 'the query runs');
    for (let i = 0; i < 20; i++) await sendCancel(port, Buffer.concat([int32(i + 1), int32(i)]));
    await sendCancel(port, keyOf(client));
    expect(await running('guessed')).toBe(1);
    await boss.query(
      `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%guessed%' AND usename = 'app_rw_alpha'`,
    );
    expect(await query).toMatchObject({ code: '57014' });
    await client.end();
  });

  test('of protocol 3.2 has a key of 32 bytes', async () => {
    const client = await login32(alpha);
    expect(client.key).toHaveLength(4 + 32);
    client.query(`SELECT 'long-key', pg_sleep(600)`);
    await until(async () => (await running('long-key')) === 1, 'the query runs');
    await sendCancel(alpha, client.key.subarray(0, 8));
    expect(await running('long-key')).toBe(1);
    await sendCancel(alpha, client.key);
    await until(() => client.received().includes('57014'), 'the query is cancelled');
    client.socket.destroy();
  });
});

describe('a client that is gone', () => {
  const socketOf = (client: pg.Client) =>
    (client as unknown as { connection: { stream: { end(): void; destroy(): void } } }).connection.stream;

  test.each(['end', 'destroy'] as const)('without a Terminate (%s) takes its query with it', async (how) => {
    const client = await connected(alpha);
    const query = client.query(`SELECT 'orphan-${how}', pg_sleep(600)`).catch((error) => error);
    await until(async () => (await running(`orphan-${how}`)) === 1, 'the query runs');
    socketOf(client)[how]();
    await until(async () => (await backends()) === 0, 'its server process is gone');
    await until(() => house.front.sessions === 0, 'its session has ended');
    expect(await query).toBeInstanceOf(Error);
  });

  test('in the middle of a COPY leaves nothing of it', async () => {
    const client = await connected(alpha);
    await client.query('CREATE TABLE halfway (t text)');
    const copy = client.query(copyFrom('COPY halfway FROM STDIN'));
    copy.on('error', () => undefined);
    copy.write('one\ntwo\n'.repeat(10_000));
    await until(async () => (await running('COPY halfway')) === 1, 'the copy runs');
    socketOf(client).destroy();
    await until(async () => (await backends()) === 0, 'its server process is gone');
    const again = await connected(alpha);
    expect((await again.query('SELECT count(*)::int AS n FROM halfway')).rows).toEqual([{ n: 0 }]);
    await again.end();
  });

  test('that said Terminate first has its last statement done', async () => {
    const client = await connected(alpha);
    await client.query('CREATE TABLE last_words (t text)');
    const { connection } = client as unknown as { connection: { query(sql: string): void; end(): void } };
    connection.query(`SELECT pg_sleep(1); INSERT INTO last_words VALUES ('done')`);
    connection.end();
    socketOf(client).end();
    await until(async () => (await backends()) === 0, 'its server process is gone');
    const again = await connected(alpha);
    expect((await again.query('SELECT t FROM last_words')).rows).toEqual([{ t: 'done' }]);
    await again.end();
  });

  test('with forty others at once ends them all', async () => {
    const clients = await Promise.all(Array.from({ length: 40 }, () => connected(alpha)));
    const queries = clients.map((client, i) =>
      client.query(i % 2 ? `SELECT 'crowd', pg_sleep(600)` : 'SELECT 1').catch(() => 'gone'),
    );
    await until(async () => (await running('crowd')) === 20, 'the queries run');
    expect(house.front.sessions).toBe(40);
    for (const client of clients) socketOf(client).destroy();
    await until(async () => (await backends()) === 0, 'the server processes are gone');
    await until(() => house.front.sessions === 0, 'the sessions have ended');
    await Promise.all(queries);
  });
});

describe('a server that is gone', () => {
  test('by kill of one process: that session hears of it once, the other goes on', async () => {
    const [victim, bystander] = [await connected(alpha), await connected(alpha, 'app_ro_alpha')];
    const { rows } = await boss.query(
      `SELECT pg_terminate_backend(pid) AS done FROM pg_stat_activity WHERE usename = 'app_rw_alpha'`,
    );
    expect(rows).toEqual([{ done: true }]);
    await until(() => victim.errors.length > 0, 'the client hears of it');
    expect(victim.errors[0]).toMatchObject({ code: '57P01', severity: 'FATAL' });
    expect((await bystander.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await bystander.end();
    expect(victim.errors.filter((error) => error.code)).toHaveLength(1);
  });

  test('without a word: the client gets a FATAL of ours', async () => {
    const other = await openHouse();
    const { port } = await other.door('alpha');
    const client = await connected(port);
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
    process.kill(rows[0].pid, 'SIGKILL');
    await until(() => client.errors.length > 0, 'the client hears of it');
    expect(client.errors[0]).toMatchObject({ code: '57P02', message: expect.stringContaining('was lost') });
    await until(() => other.front.sessions === 0, 'the session has ended');
    await other.close();
  });
});

describe('a reload', () => {
  test('keeps sessions, ends those whose role is gone, and does not let it in again', async () => {
    const other = await house.withConfig({});
    const { port } = await other.door('alpha');
    const [kept, gone] = [await connected(port), await connected(port, 'app_ro_alpha')];
    const roles = other.config.roles.filter(({ name }) => name !== 'app_ro_alpha');
    await other.front.reload({ ...other.config, revision: 2, roles });
    await until(() => gone.errors.length > 0, 'the session ends');
    expect(gone.errors[0]).toMatchObject({ code: '57P01', severity: 'FATAL' });
    expect((await kept.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await expect(connected(port, 'app_ro_alpha')).rejects.toMatchObject({ code: '28P01' });
    await kept.end();
  });

  test('takes a role from a tunnel user, too', async () => {
    const other = await house.withConfig({});
    const { port } = await other.door('alpha');
    const client = await connected(port, 'app_ro_alpha');
    const tunnelUsers = other.config.tunnelUsers.map((user) => ({ ...user, roles: user.roles.slice(0, 1) }));
    await other.front.reload({ ...other.config, tunnelUsers });
    await until(() => client.errors.length > 0, 'the session ends');
    await expect(connected(port, 'app_ro_alpha')).rejects.toMatchObject({ code: '28P01' });
    await (await connected(port)).end();
  });

  test('with a new generation forwards no further byte to the old one', async () => {
    const other = await house.withConfig({});
    const { port } = await other.door('alpha');
    const client = await connected(port);
    await client.query('CREATE TABLE fenced (n int)');
    // Both in one turn: the statement is read from the socket after the reload, or waits to be written at its time.
    const late = client.query('INSERT INTO fenced VALUES (1)').catch((error) => error);
    await other.front.reload({ ...other.config, generation: 2 });
    expect(await late).toMatchObject({ code: '57P01' });
    const next = await connected(port);
    expect((await next.query('SELECT count(*)::int AS n FROM fenced')).rows).toEqual([{ n: 0 }]);
    await next.end();
  });

  test('keeps a session on the replica over a new generation of the primary', async () => {
    const replica = house.config.primary;
    const other = await house.withConfig({ replica });
    const [primary, reader] = [await other.door('alpha'), await other.door('alpha', 'replica')];
    const [written, read] = [await connected(primary.port), await connected(reader.port)];
    await other.front.reload({ ...other.config, generation: 2 });
    await until(() => written.errors.length > 0, 'the session on the primary ends');
    expect((await read.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await other.front.reload({ ...other.config, generation: 2, replica: { ...replica, port: 1 } });
    await until(() => read.errors.length > 0, 'the session on a replica that is no more ends');
  });
});

describe('closing', () => {
  test('roles ends their sessions with 57P01 and cancels what they run', async () => {
    const [writer, reader] = [await connected(alpha), await connected(alpha, 'app_ro_alpha')];
    const query = reader.query(`SELECT 'revoked', pg_sleep(600)`).catch((error) => error);
    await until(async () => (await running('revoked')) === 1, 'the query runs');
    house.front.closeSessions(['app_ro_alpha', 'app_rw_unknown'], []);
    expect(await query).toMatchObject({ code: '57P01' });
    await until(async () => (await backends('app_ro_alpha')) === 0, 'its server process is gone');
    expect((await writer.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await writer.end();
  });

  test('the front ends every session and resolves when their servers are closed', async () => {
    const other = await house.withConfig({});
    const { port } = await other.door('alpha');
    const clients = await Promise.all([connected(port), connected(port)]);
    const query = clients[0]!.query(`SELECT 'closing', pg_sleep(600)`).catch((error) => error);
    await until(async () => (await running('closing')) === 1, 'the query runs');
    await other.front.close();
    expect(other.front.sessions).toBe(0);
    expect(await query).toMatchObject({ code: '57P01' });
    await until(() => clients[1]!.errors.length > 0, 'the idle one hears of it');
    expect(clients[1]!.errors[0]).toMatchObject({ code: '57P01' });
    await expect(connected(port)).rejects.toMatchObject({ code: '57P01' });
  });
});

describe('bulk', () => {
  const MEGABYTE = 1024 * 1024;
  const LINE = Buffer.from(`${'x'.repeat(1023)}\n`);

  test('of 100 MB passes both ways, whole and in bounded memory, also past a slow client', async () => {
    const client = await connected(alpha);
    await client.query('CREATE UNLOGGED TABLE bulk (t text)');
    const block = Buffer.concat(Array.from({ length: 1024 }, () => LINE));
    global.gc?.();
    const before = process.memoryUsage().rss;
    let peak = 0;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 20);
    await pipeline(
      Readable.from(Array.from({ length: 100 }, () => block)),
      client.query(copyFrom('COPY bulk FROM STDIN')),
    );
    expect((await client.query('SELECT count(*)::int AS n, sum(length(t))::int AS bytes FROM bulk')).rows).toEqual([
      { n: 100 * 1024, bytes: 100 * 1024 * 1023 },
    ]);
    let received = 0;
    const slowly = new Writable({
      highWaterMark: 64 * 1024,
      write(chunk: Buffer, _encoding, done) {
        received += chunk.length;
        setImmediate(done);
      },
    });
    await pipeline(client.query(copyTo('COPY bulk TO STDOUT')), slowly);
    clearInterval(watch);
    expect(received).toBe(100 * MEGABYTE);
    // Client, front and the door of the test share this process.
    expect((peak - before) / MEGABYTE).toBeLessThan(200);
    await client.query('DROP TABLE bulk');
    await client.end();
  });

  test('for a client that does not read stays in PostgreSQL', async () => {
    const client = await connected(alpha);
    const { connection } = client as unknown as { connection: { stream: { pause(): void }; query(sql: string): void } };
    connection.stream.pause();
    const before = process.memoryUsage().rss;
    connection.query(`SELECT 'unread', repeat('x', 1000) FROM generate_series(1, 1000000)`);
    await until(async () => {
      const { rows } = await boss.query(
        `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%unread%' AND wait_event = 'ClientWrite'`,
      );
      return rows.length === 1;
    }, 'PostgreSQL waits for its client');
    expect((process.memoryUsage().rss - before) / MEGABYTE).toBeLessThan(50);
    house.front.closeSessions(['app_rw_alpha'], []);
    await until(async () => (await backends()) === 0, 'its server process is gone');
  });

  test('in one message of 80 MB passes', async () => {
    const client = await connected(alpha);
    const { rows } = await client.query('SELECT length($1) AS n', ['y'.repeat(80 * MEGABYTE)]);
    expect(rows).toEqual([{ n: 80 * MEGABYTE }]);
    await client.end();
  });
});

describe('a message that cannot be', () => {
  test.each([3, 0, -1, 0x7fffffff])('(length %i) ends its session with 08P01', async (length) => {
    const client = await login32(alpha);
    client.socket.write(Buffer.concat([Buffer.from('Q'), int32(length), Buffer.from('SELECT 1\0')]));
    await until(() => client.received().includes('08P01'), 'it is refused');
    await client.closed;
    await until(() => house.front.sessions === 0, 'the session has ended');
  });
});

describe('one session, by itself', () => {
  /** A session on a real server process, with a client in hand. */
  async function open(client: Duplex) {
    const places = new Places(house.config);
    const claim = { tunnelUser: 'alpha-app', role: 'app_rw_alpha', database: 'alpha' };
    const startUp = startupMessage([
      ['user', claim.role],
      ['database', claim.database],
    ]);
    const place = places.of('primary');
    const backend = await openBackend(place, startUp, new AbortController().signal);
    const tunnel = { id: 'one', user: house.config.tunnelUsers[0]!, address: '127.0.0.1', fingerprint: 'SHA256:none' };
    const refused: string[] = [];
    const session = new Session({
      ...{
        tunnel,
        channel: client,
        client,
        claim,
        verifier: verifierDigest('of no password'),
        target: 'primary',
        place,
        backend,
        startUp,
        teardowns: new Teardowns(),
      },
      onLost: () => false,
      onClosed: () => undefined,
      onRefused: (_session, { code }) => refused.push(code),
    });
    session.start(Buffer.alloc(0));
    return { session, refused };
  }

  test('that is fenced throws away what was waiting to be written to its server', async () => {
    const keeper = await connected(alpha);
    await keeper.query('CREATE TABLE waiting (n int)');
    const client = new PassThrough();
    const { session, refused } = await open(client);
    // In the same turn, and after the session has taken it.
    client.on('data', () => session.fence(new Refused('administrator')));
    client.emit('data', message('Q', 'INSERT INTO waiting VALUES (1)'));
    await session.closed;
    await until(async () => (await backends()) === 1, 'its server process is gone');
    expect((await keeper.query('SELECT count(*)::int AS n FROM waiting')).rows).toEqual([{ n: 0 }]);
    expect(refused).toEqual(['administrator']);
    await keeper.end();
  });

  test('ends alone when a callback of its throws', async () => {
    const client = new PassThrough();
    client.write = () => {
      throw new Error('a fault in the channel');
    };
    const { session, refused } = await open(client);
    client.emit('data', message('Q', 'SELECT 1'));
    await session.closed;
    expect(refused).toEqual(['internal']);
  });
});

test('PostgreSQL listens on no TCP port here', async () => {
  const { rows } = await boss.query(
    `SELECT current_setting('listen_addresses') AS tcp, current_setting('port')::int AS port`,
  );
  expect(rows[0].tcp).toBe('');
  const refused = await new Promise((resolve) =>
    connect(alpha === rows[0].port ? 1 : rows[0].port, '127.0.0.1').once('error', resolve),
  );
  expect(refused).toBeInstanceOf(Error);
});
