import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Secret } from '@borealis/contract';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ClientExchange, SaltedPasswords } from '../../src/postgres/scram/client-exchange.js';
import { errorFields } from '../../src/postgres/wire/error-response.js';
import { saslInitialResponse, saslResponse, startupMessage } from '../../src/postgres/wire/messages.js';
import { PacketReader } from '../../src/postgres/wire/packet-reader.js';
import {
  clientOptions,
  connected,
  directTls,
  type House,
  hasPsql,
  NEW_PASSWORD,
  openHouse,
  PASSWORDS,
  psql,
  raw,
  rawClient,
  refusal,
  scramBackend,
  until,
} from './support.js';

let house: House;
let alpha: number;
beforeAll(async () => {
  house = await openHouse();
  alpha = (await house.door('alpha')).port;
});
afterAll(() => house.close());

const WRONG = { code: '28P01', severity: 'FATAL' };
const says = (role: string) => ({ ...WRONG, message: `password authentication failed for user "${role}"` });

/** The fields of the ErrorResponse that a raw client got. */
const error = (received: Buffer) => errorFields(received.subarray(received.indexOf('E') + 5));

describe('a password', () => {
  test('lets a role in, as itself and in its database', async () => {
    const client = await connected(alpha);
    const { rows } = await client.query('SELECT current_user AS role, current_database() AS db, $1::int AS n', [7]);
    expect(rows).toEqual([{ role: 'app_rw_alpha', db: 'alpha', n: 7 }]);
    await client.end();
  });

  test('is accepted in both of its live forms, and the right one with channel binding', async () => {
    for (const password of [PASSWORDS.app_rw_alpha!, NEW_PASSWORD]) {
      for (const enableChannelBinding of [false, true]) {
        const client = await connected(alpha, 'app_rw_alpha', { password, enableChannelBinding });
        expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
        await client.end();
      }
    }
  });

  test('that is wrong, of an unknown role, of a foreign role, or for another database gets one and the same answer', async () => {
    const own = await refusal(clientOptions(alpha, 'app_rw_alpha', { password: 'wrong' }));
    expect(own).toEqual(says('app_rw_alpha'));
    expect(await refusal(clientOptions(alpha, 'app_rw_nobody', { database: 'alpha' }))).toEqual(says('app_rw_nobody'));
    expect(await refusal(clientOptions(alpha, 'postgres', { database: 'alpha' }))).toEqual(says('postgres'));
    // The right password of a role that another tunnel owns.
    expect(await refusal(clientOptions(alpha, 'app_rw_beta'))).toEqual(says('app_rw_beta'));
    expect(await refusal(clientOptions(alpha, 'app_rw_alpha', { database: 'beta' }))).toEqual(says('app_rw_alpha'));
    expect(await refusal(clientOptions(alpha, 'app_rw_alpha', { database: 'postgres' }))).toEqual(says('app_rw_alpha'));
    expect(await refusal(clientOptions(alpha, 'app_rw_alpha', { database: 'app_rw_alpha' }))).toEqual(
      says('app_rw_alpha'),
    );
  });

  test('that is revoked while its login is under way is none any more', async () => {
    const other = await house.withConfig({});
    const { port } = await other.door('alpha');
    const socket = await directTls(port);
    const reader = new PacketReader(socket, AbortSignal.timeout(60_000));
    const exchange = new ClientExchange(new SaltedPasswords(new Secret(PASSWORDS.app_rw_alpha!)));
    socket.write(startupMessage(Object.entries({ user: 'app_rw_alpha', database: 'alpha' })));
    await reader.message(10_000);
    socket.write(saslInitialResponse('SCRAM-SHA-256', exchange.clientFirst));
    const challenge = (await reader.message(10_000)).body.toString('utf8', 4);
    const roles = other.config.roles.map((role) => ({ ...role, verifiers: role.verifiers.slice(-1) }));
    await other.front.reload({ ...other.config, roles });
    socket.write(saslResponse(await exchange.clientFinal(challenge)));
    const answer = await reader.message(10_000);
    expect([answer.type, errorFields(answer.body).get('C')]).toEqual(['E', '28P01']);
    socket.destroy();
    await (await connected(port, 'app_rw_alpha', { password: NEW_PASSWORD })).end();
  });

  test('lets nobody in whose role is closed while the server is being reached', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'bgs-'));
    let reached = 0;
    const silent = createServer(() => void reached++);
    await once(silent.listen(join(directory, '.s.PGSQL.5432')), 'listening');
    const other = await house.withConfig({ primary: { socketDirectory: directory, port: 5432 } });
    const refused = refusal(clientOptions((await other.door('alpha')).port));
    await until(() => reached > 0, 'the server is reached');
    other.front.closeSessions(['app_rw_beta'], []);
    other.front.closeSessions(['app_rw_alpha'], []);
    expect(await refused).toMatchObject({ code: '57P01' });
    silent.close();
    await rm(directory, { recursive: true });
  });

  test('waits no longer for a server that is silent when another takes its place', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'bgs-'));
    let reached = 0;
    const silent = createServer(() => void reached++);
    await once(silent.listen(join(directory, '.s.PGSQL.5432')), 'listening');
    try {
      const other = await house.withConfig({ primary: { socketDirectory: directory, port: 5432 } });
      const opened = connected((await other.door('alpha')).port);
      opened.catch(() => undefined);
      await until(() => reached > 0, 'the server is reached');
      await other.front.reload({ ...other.config, primary: house.config.primary, generation: 2 });
      const client = await opened;
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      await client.end();
    } finally {
      silent.close();
      await rm(directory, { recursive: true });
    }
  });

  test('that has run out, or that is none at all, gets that answer, too', async () => {
    const roles = house.config.roles.map((role) =>
      role.name === 'app_rw_alpha'
        ? { ...role, validUntil: '2020-01-01T00:00:00Z' }
        : { ...role, verifiers: role.name === 'app_ro_alpha' ? [] : role.verifiers },
    );
    const other = await house.withConfig({ roles });
    const { port } = await other.door('alpha');
    expect(await refusal(clientOptions(port))).toEqual(says('app_rw_alpha'));
    expect(await refusal(clientOptions(port, 'app_ro_alpha'))).toEqual(says('app_ro_alpha'));
  });

  test('may be wrong a few times only, for any role alike, and through this tunnel only', async () => {
    const limits = { ...house.config.limits, sqlLoginFailures: 3, sqlLoginPauseSeconds: 600 };
    const other = await house.withConfig({ limits });
    const { port } = await other.door('alpha');
    for (const role of ['app_rw_alpha', 'app_rw_nobody']) {
      const options = clientOptions(port, role, { password: 'wrong', database: 'alpha' });
      for (let i = 0; i < 3; i++) expect(await refusal(options)).toEqual(says(role));
      expect(await refusal(options)).toMatchObject({
        code: '53300',
        message: expect.stringContaining('too many failed logins'),
      });
    }
    expect(await refusal(clientOptions(port))).toMatchObject({ code: '53300' });
    await (await connected(port, 'app_ro_alpha')).end();
    expect(other.front.counters.refused_too_many_failures).toBe(3);
  });

  test('never stands in the log, nor does a verifier', async () => {
    await refusal(clientOptions(alpha, 'app_rw_alpha', { password: 'wrong-and-secret' }));
    const log = house.logged.join('');
    expect(log).toContain('password authentication failed');
    expect(log).not.toMatch(/wrong-and-secret|SCRAM-SHA-256\$|alpha-rw-password/);
  });
});

describe('entering PostgreSQL by the cluster secret', () => {
  test('works, and the secret is not what the client logs in with', async () => {
    const other = await house.withConfig({ backendAuth: scramBackend });
    const { port } = await other.door('gamma');
    for (let i = 0; i < 2; i++) {
      const client = await connected(port, 'app_rw_gamma');
      expect((await client.query('SELECT current_user AS role')).rows).toEqual([{ role: 'app_rw_gamma' }]);
      await client.end();
    }
    expect(await refusal(clientOptions(port, 'app_rw_gamma', { password: scramBackend.password }))).toEqual(
      says('app_rw_gamma'),
    );
  });

  test('with a wrong secret is the operator’s trouble, told to him and not to the client', async () => {
    const other = await house.withConfig({ backendAuth: { method: 'scram', password: 'not-the-secret' } });
    const { port } = await other.door('gamma');
    expect(await refusal(clientOptions(port, 'app_rw_gamma'))).toEqual({
      code: '28000',
      severity: 'FATAL',
      message: 'the database does not let this role in at the moment',
    });
    const line = other.logged.find((entry) => entry.includes('database_login'))!;
    expect(JSON.parse(line)).toMatchObject({
      level: 50,
      detail: 'password authentication failed for user "app_rw_gamma"',
    });
    expect(line).not.toContain('not-the-secret');
  });
});

describe('the start-up packet', () => {
  test('carries settings through, options included', async () => {
    const options = clientOptions(alpha, 'app_rw_alpha', {
      application_name: 'my app',
      options: '-c work_mem=5MB -c app.tenant=9',
    });
    const client = new pg.Client(options);
    await client.connect();
    const { rows } = await client.query(
      `SELECT current_setting('application_name') AS name, current_setting('work_mem') AS mem, current_setting('app.tenant') AS tenant`,
    );
    expect(rows).toEqual([{ name: 'my app', mem: '5MB', tenant: '9' }]);
    await client.end();
  });

  test('cannot make a role another one', async () => {
    const answers = ['-c role=app_rw_beta', '-c session_authorization=postgres', '-c role=postgres'].map((options) =>
      refusal(clientOptions(alpha, 'app_rw_alpha', { options })),
    );
    for (const answer of await Promise.all(answers)) expect(answer.message).toMatch(/permission denied|invalid value/);
  });

  test('with an unknown setting gets PostgreSQL’s own error', async () => {
    const answer = await refusal(clientOptions(alpha, 'app_rw_alpha', { options: '-c no_such_thing=1' }));
    expect(answer).toMatchObject({ code: '42704', message: expect.stringContaining('no_such_thing') });
  });

  test.each(['true', '1', 'on', 'database', 'yes', 'nonsense'])(
    'asking for replication (%s) is refused',
    async (replication) => {
      const answer = await startUp([
        ['user', 'app_rw_alpha'],
        ['replication', replication],
      ]);
      expect([answer.get('C'), answer.get('M')]).toEqual([
        '0A000',
        expect.stringContaining('replication connections are not'),
      ]);
    },
  );

  test('that says replication=false goes on to the password', async () => {
    const socket = await directTls(alpha);
    const client = raw(socket);
    socket.write(
      startupMessage([
        ['user', 'app_rw_alpha'],
        ['replication', 'off'],
      ]),
    );
    await until(() => client.received().includes('SCRAM-SHA-256-PLUS'), 'SASL is offered');
    socket.destroy();
  });

  test('without a user is refused', async () => {
    const answer = await startUp([['database', 'alpha']]);
    expect(answer.get('C')).toBe('28000');
  });

  test('of another protocol is refused, of a newer minor negotiated down', async () => {
    const old = await startUpRaw(Buffer.from([0, 0, 0, 9, 0, 2, 0, 0, 0]));
    expect(error(old).get('C')).toBe('0A000');
    const packet = startupMessage([
      ['user', 'app_rw_alpha'],
      ['_pq_.novelty', '1'],
    ]);
    packet.writeInt32BE((3 << 16) | 9999, 4);
    const socket = await directTls(alpha);
    const client = raw(socket);
    socket.write(packet);
    await until(() => client.received().includes('SCRAM'), 'SASL is offered');
    const answer = client.received();
    expect([answer[0], answer.readInt32BE(5), answer.readInt32BE(9)]).toEqual([0x76, (3 << 16) | 2, 1]);
    expect(answer.toString('latin1', 13, 25)).toBe('_pq_.novelty');
    socket.destroy();
  });

  async function startUp(settings: [string, string][]): Promise<Map<string, string>> {
    return error(await startUpRaw(startupMessage(settings)));
  }

  async function startUpRaw(packet: Buffer): Promise<Buffer> {
    const socket = await directTls(alpha);
    const client = raw(socket);
    socket.write(packet);
    await client.closed;
    return client.received();
  }
});

describe('a login', () => {
  test('that takes too long ends with a sentence, wherever it stands still', async () => {
    const limits = { ...house.config.limits, postgresLoginSeconds: 1 };
    const other = await house.withConfig({ limits });
    const { port } = await other.door('alpha');
    const silent = rawClient(port);
    const handshaking = rawClient(port);
    handshaking.socket.write(Buffer.from([0x16, 3, 1]));
    const inside = raw(await directTls(port));
    inside.socket.write(startupMessage([['user', 'app_rw_alpha']]));
    await Promise.all([silent, handshaking, inside].map(({ closed, socket }) => socket.destroyed || closed));
    expect(error(silent.received()).get('C')).toBe('57014');
    expect(inside.received().toString('latin1')).toContain('canceling authentication due to timeout');
    expect(other.front.counters.refused_login_timeout).toBe(3);
    expect(other.front.sessions).toBe(0);
  });

  test('is refused beyond the limit of sessions, and possible again when one has ended', async () => {
    const other = await house.withConfig({ limits: { ...house.config.limits, sessions: 2 } });
    const { port } = await other.door('alpha');
    const clients = [await connected(port), await connected(port)];
    expect(await refusal(clientOptions(port))).toMatchObject({
      code: '53300',
      message: expect.stringContaining('2 connections'),
    });
    await clients[0]!.end();
    await until(() => other.front.sessions === 1, 'the session has ended');
    clients[0] = await connected(port);
    await Promise.all(clients.map((client) => client.end()));
  });

  test('is refused beyond the share of one database, whose other roles count too, and other databases are not touched', async () => {
    const other = await house.withConfig({ limits: { ...house.config.limits, sessionsPerDatabase: 2 } });
    const [{ port }, beta] = [await other.door('alpha'), await other.door('beta')];
    const clients = [await connected(port), await connected(port, 'app_ro_alpha')];
    const full = {
      code: '53300',
      message: expect.stringContaining('too many connections for this database: 2 are allowed'),
    };
    expect(await refusal(clientOptions(port))).toMatchObject(full);
    expect(await refusal(clientOptions(port, 'app_ro_alpha'))).toMatchObject(full);
    const neighbours = [await connected(beta.port, 'app_rw_beta'), await connected(beta.port, 'app_rw_beta')];
    expect(other.front.counters.refused_database_full).toBe(2);
    await clients[0]!.end();
    await until(() => other.front.sessions === 3, 'the session has ended');
    clients[0] = await connected(port);
    await Promise.all([...clients, ...neighbours].map((client) => client.end()));
  });

  test('waits for a server that is restarting, and says so when it takes too long', async () => {
    const other = await openHouse();
    const { port } = await other.door('alpha');
    await other.postgres.stop('fast');
    const [client] = await Promise.all([connected(port), sleep(300).then(() => other.postgres.start())]);
    await client.end();
    await other.postgres.stop('fast');
    expect(await refusal(clientOptions(port))).toMatchObject({ code: '57P03', severity: 'FATAL' });
    await other.close();
  });

  test.skipIf(!hasPsql)('by psql (needs psql)', async () => {
    const dsn = `host=127.0.0.1 port=${alpha} user=app_rw_alpha dbname=alpha`;
    expect(await psql(`${dsn} sslmode=require channel_binding=require`, ['-c', 'SELECT current_user'])).toMatchObject({
      code: 0,
      out: 'app_rw_alpha',
    });
    const plain = await psql(`${dsn} sslmode=disable`, ['-c', 'SELECT 1']);
    expect(plain).toMatchObject({ code: 2, err: expect.stringContaining('sslmode=require') });
    const gss = await psql(`${dsn} sslmode=require gssencmode=prefer`, ['-c', 'SELECT 2']);
    expect(gss.out).toBe('2');
  });
});
