import { Secret } from '@borealis/contract';
import type { EngineEvent } from '@borealis/engine';
import type pg from 'pg';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { openDatabase } from '../src/database.js';
import { EngineEvents } from '../src/events/engine-events.js';
import { EventReader } from '../src/events/event-reader.js';
import { LogDelivery } from '../src/events/log-delivery.js';
import { Metrics } from '../src/metrics.js';
import { OauthGrants } from '../src/platform/oauth-grants.js';
import { PlatformApi } from '../src/platform/platform-api.js';
import { Vault } from '../src/vault.js';
import { CLIENT_SECRET } from './support/fake-platform.js';
import {
  availableAddon,
  call,
  deprovision,
  type Harness,
  MASTER_KEY,
  OPERATOR,
  provision,
  provisionRequest,
  stepTo,
  until,
  useService,
} from './support/harness.js';

const start = useService();

/** The two loops of a service, turned by hand, on the same database. */
async function loops({ pool, engine, platform, service }: Harness) {
  const db = { ...openDatabase(pool.options, () => {}), pool };
  const vault = new Vault(new Secret(MASTER_KEY));
  const api = new PlatformApi(platform.url, new Secret(CLIENT_SECRET));
  const log = pino({ level: 'silent' });
  const grants = new OauthGrants(db, vault, api, log);
  const metrics = new Metrics(db, service.strands);
  const delivery = new LogDelivery({ db, vault, grants, platform: api, metrics, log });
  const intake = new EngineEvents(db, engine, service.strands, () => {});
  return {
    take: () => intake.take(new AbortController().signal, 0),
    deliver: async () => {
      await delivery.start();
      await delivery.settled();
    },
    reader: new EventReader(db),
  };
}

function tunnel(
  harness: Harness,
  type: 'tunnel-created' | 'tunnel-destroyed',
  more: Partial<EngineEvent> = {},
): EngineEvent {
  const [clusterId] = harness.engine.clusters.keys();
  return {
    ...{ clusterId: clusterId!, type, seq: harness.engine.log.length + 1, at: new Date().toISOString() },
    ...{ tunnelId: 't1', username: 'app-x', kind: 'app', label: 'app', address: '10.1.2.3' },
    ...more,
  } as EngineEvent;
}

test('tunnels of the app stand in its log, once each and in order, under the present name of the add-on', async () => {
  const harness = await start();
  const { id, logToken } = await availableAddon(harness);
  const { take, deliver } = await loops(harness);
  const { engine, platform, pool } = harness;
  engine.log.push(
    tunnel(harness, 'tunnel-created'),
    tunnel(harness, 'tunnel-destroyed', { reason: 'client closed' } as never),
  );
  expect(await take()).toBe(2);
  expect(await take()).toBe(0);
  // The engine lost its cursor and tells everything again.
  await pool.query('delete from engine_cursor');
  await take();
  await pool.query("update addon set name = 'renamed-1' where id = $1", [id]);
  await deliver();
  await deliver();
  expect(platform.logLines[logToken]).toEqual([
    'source=renamed-1 event=app-secure-tunnel-created client_address=10.1.2.3',
    'source=renamed-1 event=app-secure-tunnel-destroyed client_address=10.1.2.3',
  ]);
});

test('what persons do stands in the log of the app', async () => {
  const harness = await start();
  const { service, platform, engine } = harness;
  const { name, token, logToken } = await availableAddon(harness);
  const { take, deliver } = await loops(harness);
  const ssh = (await call(service, token, 'POST', `${name}/personal-ssh-users`)).json();
  for (const enableWriteAccess of [false, false, true]) {
    await call(service, token, 'POST', `${name}/personal-db-users`, { enableWriteAccess });
  }
  const who = { kind: 'personal' as const, label: 'dev@example.com', username: ssh.sshUsername };
  engine.log.push(tunnel(harness, 'tunnel-created', who));
  await take();
  await deliver();
  expect(platform.logLines[logToken]).toEqual([
    `source=${name} event=personal-ssh-user-configured user=dev@example.com`,
    `source=${name} event=personal-db-user-created user=dev@example.com`,
    `source=${name} event=personal-db-password-rotated user=dev@example.com`,
    `source=${name} event=personal-db-user-created user=dev@example.com`,
    `source=${name} event=personal-secure-tunnel-created client_address=10.1.2.3 user=dev@example.com`,
  ]);
});

const validity = async (pool: pg.Pool) => {
  const { rows } = await pool.query<{ minutes: number }>(
    'select extract(epoch from valid_until - now())::float8 / 60 as minutes from personal_credential order by kind',
  );
  return rows.map((row) => Math.round(row.minutes));
};

test("a person's credentials end ten minutes after the last tunnel closed, and live on when one is opened again", async () => {
  const harness = await start();
  const { service, engine, pool } = harness;
  const { id, name, token } = await availableAddon(harness);
  const { take } = await loops(harness);
  const ssh = (await call(service, token, 'POST', `${name}/personal-ssh-users`)).json();
  await call(service, token, 'POST', `${name}/personal-db-users`, { enableWriteAccess: false });
  const happens = async (type: 'tunnel-created' | 'tunnel-destroyed', tunnelId: string) => {
    engine.log.push(tunnel(harness, type, { kind: 'personal', username: ssh.sshUsername, tunnelId } as never));
    await take();
    await service.strands.step(id);
    return validity(pool);
  };
  expect(await happens('tunnel-created', 'one')).toEqual([720, 720]);
  expect(await happens('tunnel-created', 'two')).toEqual([720, 720]);
  expect(await happens('tunnel-destroyed', 'one')).toEqual([720, 720]);
  expect(await happens('tunnel-destroyed', 'two')).toEqual([10, 10]);
  const told = engine.access.tunnelUsers.find((user) => user.username === ssh.sshUsername)!;
  expect(Math.round((Date.parse(told.validUntil!) - Date.now()) / 60_000)).toBe(10);
  expect(await happens('tunnel-created', 'three')).toEqual([720, 720]);
});

test('the end of a former tunnel that is told late does not end what was issued since', async () => {
  const harness = await start();
  const { service, engine, pool } = harness;
  const { name, token } = await availableAddon(harness);
  const { take } = await loops(harness);
  const { sshUsername: username } = (await call(service, token, 'POST', `${name}/personal-ssh-users`)).json();
  const at = new Date(Date.now() - 20 * 60_000).toISOString();
  engine.log.push(tunnel(harness, 'tunnel-destroyed', { kind: 'personal', username, at } as never));
  await take();
  expect(await validity(pool)).toEqual([720]);
});

test('events of several tenants and a change by one of them do not wait for each other', async () => {
  const harness = await start();
  const { service, engine, pool } = harness;
  const [one, two] = [await availableAddon(harness, { plan: 'dev' }), await availableAddon(harness, { plan: 'dev' })];
  const { take } = await loops(harness);
  const { sshUsername } = (await call(service, one.token, 'POST', `${one.name}/personal-ssh-users`)).json();
  const app = engine.access.tunnelUsers.find(({ label }) => label === two.id)!.username;
  engine.log.push(
    tunnel(harness, 'tunnel-destroyed', { kind: 'personal', username: sshUsername } as never),
    tunnel(harness, 'tunnel-created', { username: app, tunnelId: 't2' } as never),
  );
  const request = await pool.connect();
  try {
    await request.query('begin');
    await request.query('select from addon where id = $1 for update', [two.id]);
    const taken = take().catch((error: Error) => error.message);
    const waits = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    await until(async () => (await pool.query(waits)).rowCount === 1, 'the events to wait for the request');
    await request.query('update cluster set access_revision = access_revision + 1');
    await request.query('commit');
    expect(await taken).toBe(2);
  } finally {
    request.release(true);
  }
});

test('a log that is out holds nothing up; lines wait for it in their order', async () => {
  const harness = await start();
  const { service, platform, engine, pool } = harness;
  const { name, token, logToken } = await availableAddon(harness);
  const { take, deliver } = await loops(harness);
  platform.logOutage = true;
  expect((await call(service, token, 'POST', `${name}/personal-ssh-users`)).statusCode).toBe(201);
  await deliver();
  expect(platform.logLines[logToken]).toBeUndefined();
  engine.log.push(tunnel(harness, 'tunnel-created'));
  await take();
  const tries = () => platform.requests.filter((line) => line === 'POST /logs').length;
  const before = tries();
  await deliver();
  expect(tries()).toBe(before);
  platform.logOutage = false;
  await pool.query('update log_delivery set not_before = now()');
  await deliver();
  expect(platform.logLines[logToken]!.map((line) => /event=(\S+)/.exec(line)![1])).toEqual([
    'personal-ssh-user-configured',
    'app-secure-tunnel-created',
  ]);
  expect((await pool.query('select from log_delivery')).rowCount).toBe(0);
});

test('a log address that the platform has changed is asked for again', async () => {
  const harness = await start();
  const { service, platform } = harness;
  const { id, name, token, logToken } = await availableAddon(harness);
  const { deliver } = await loops(harness);
  platform.logTokens.delete(logToken);
  platform.addons.get(id)!.logInputUrl = platform.logUrl('t.new');
  await call(service, token, 'POST', `${name}/personal-ssh-users`);
  await deliver();
  await call(service, token, 'POST', `${name}/personal-ssh-users`);
  await deliver();
  expect(platform.logLines['t.new']).toHaveLength(2);
});

test('a platform that has moved to another port is found again', async () => {
  const harness = await start();
  const { service, platform, pool } = harness;
  const { id, name, token, logToken } = await availableAddon(harness);
  const { deliver } = await loops(harness);
  const former = new Vault(new Secret(MASTER_KEY)).seal(new Secret(`http://token:${logToken}@127.0.0.1:1/logs`), {
    ...{ table: 'addon', row: id, column: 'log_input_url' },
  });
  await pool.query('update addon set log_input_url = $1', [former]);
  await call(service, token, 'POST', `${name}/personal-ssh-users`);
  await deliver();
  expect(platform.logLines[logToken]).toHaveLength(1);
});

test('an available add-on whose authorization died takes up a new one, and its lines are delivered', async () => {
  const harness = await start();
  const { service, platform, pool } = harness;
  const { id, name, token, logToken } = await availableAddon(harness);
  const { deliver } = await loops(harness);
  for (const tokens of [platform.accessTokens, platform.refreshTokens]) tokens.clear();
  platform.logTokens.delete(logToken);
  platform.addons.get(id)!.logInputUrl = platform.logUrl('t.new');
  await call(service, token, 'POST', `${name}/personal-ssh-users`);
  const state = async () => (await pool.query('select state from oauth_token')).rows[0].state;
  const tryAgain = async () => {
    await pool.query('update log_delivery set not_before = now()');
    await deliver();
    return state();
  };
  expect(await tryAgain()).toBe('dead');
  platform.codes.set('second code', id);
  const again = { ...provisionRequest(platform), uuid: id, name, oauth_grant: { code: 'second code' } };
  expect((await provision(service, again)).statusCode).toBe(202);
  expect(await tryAgain()).toBe('granted');
  await service.strands.step(id);
  expect(await tryAgain()).toBe('live');
  expect(platform.logLines['t.new']).toHaveLength(1);
});

test('many logs that are waited for at once do not all take a connection, and each gets its lines', async () => {
  const harness = await start();
  const { service, platform, pool } = harness;
  const { deliver } = await loops(harness);
  const ids: string[] = [];
  for (let n = 0; n < 20; n++) {
    const request = provisionRequest(platform);
    await provision(service, request);
    ids.push(request.uuid);
  }
  await pool.query(
    `insert into event (addon_id, type, delivery) select id, 'app-secure-tunnel-created', 'pending' from addon`,
  );
  const tries = () => platform.requests.filter((line) => line === 'POST /logs').length;
  let goOn = () => {};
  platform.logDelay = new Promise((resolve) => {
    goOn = resolve;
  });
  const first = deliver();
  await until(() => tries() === 16, 'the first tries');
  goOn();
  await first;
  expect(tries()).toBe(16);
  await deliver();
  expect(ids.map((id) => platform.logLines[`t.${id}`]?.length)).toEqual(Array(20).fill(1));
});

test('lines of a removed add-on are given up, its audit trail stays', async () => {
  const harness = await start();
  const { service, platform, pool } = harness;
  const { id, name, token } = await availableAddon(harness);
  platform.logOutage = true;
  await call(service, token, 'POST', `${name}/personal-ssh-users`);
  await deprovision(service, id);
  await stepTo(service, id, null);
  const { rows } = await pool.query('select type, delivery, addon_name from event order by id');
  expect(rows.map((row) => `${row.type} ${row.delivery}`)).toEqual([
    ...['addon-requested none', 'addon-available none', 'personal-ssh-user-configured dropped'],
    ...['addon-destroy-requested none', 'addon-destroyed none'],
  ]);
  expect(rows.every((row) => row.addon_name === name)).toBe(true);
});

test('no event is passed over by a reader, in whatever order transactions commit', async () => {
  const harness = await start();
  const { pool } = harness;
  const { reader } = await loops(harness);
  const { cursor } = await reader.read(null, 0);
  const insert = "insert into event (type) values ('addon-requested') returning id";
  const [slow, fast] = [await pool.connect(), await pool.connect()];
  try {
    await slow.query('begin');
    await slow.query(insert);
    await fast.query(insert);
    const early = await reader.read(cursor, 0);
    expect(early.events).toEqual([]);
    await slow.query('commit');
    expect((await reader.read(early.cursor, 0)).events).toHaveLength(2);
  } finally {
    slow.release();
    fast.release();
  }
});

test('the operator sees what every add-on is doing and what happens, with the token only', async () => {
  const harness = await start();
  const { service, engine } = harness;
  const { id, name, logToken } = await availableAddon(harness);
  const get = (url: string, authorization = OPERATOR) => service.app.inject({ url, headers: { authorization } });
  for (const url of ['/operator/addons', '/operator/events', '/metrics']) {
    expect((await get(url, 'Bearer wrong')).statusCode).toBe(401);
  }
  expect((await get('/operator/addons')).json()).toEqual([
    expect.objectContaining({
      id,
      name,
      status: 'available',
      label: 'serve',
      sentence: 'Available',
      authorization: 'live',
    }),
  ]);
  const { cursor } = (await get('/operator/events')).json();
  const waiting = get(`/operator/events?after=${cursor}&wait=20`);
  await service.listen();
  engine.log.push(tunnel(harness, 'tunnel-created'));
  expect((await waiting).json().events).toEqual([
    expect.objectContaining({
      type: 'app-secure-tunnel-created',
      addonName: name,
      attributes: { client_address: '10.1.2.3' },
    }),
  ]);
  await until(() => (harness.platform.logLines[logToken]?.length ?? 0) === 1, 'the line in the log');
  expect((await get('/operator/events?after=x')).statusCode).toBe(400);
  const metrics = (await get('/metrics')).body;
  expect(metrics).toContain('borealis_addons{status="available"} 1');
  expect(metrics).toContain('borealis_engine_events_total{type="tunnel-created"} 1');
  const openapi = (await service.app.inject('/openapi.json')).json();
  expect(Object.keys(openapi.paths)).toEqual(
    expect.arrayContaining(['/heroku/resources', '/heroku/resources/{name}/personal-ssh-users', '/operator/addons']),
  );
});
