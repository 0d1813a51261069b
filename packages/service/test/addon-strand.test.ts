import { parseConnInfo } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import type pg from 'pg';
import { expect, test } from 'vitest';
import {
  availableAddon,
  call,
  deprovision,
  type Harness,
  OPERATOR,
  provision,
  provisionRequest,
  stepTo,
  until,
  useService,
} from './support/harness.js';

const start = useService();

const WAY_IN = [
  'exchangeGrant',
  'createCluster',
  'waitCluster',
  'makeCredentials',
  'applyAccess',
  'setConfigVars',
  'markProvisioned',
];
const WAY_OUT = ['destroyCluster', 'forget'];

test('a new add-on goes through every label, in the statuses that people are shown, until it is available', async () => {
  const { service, platform, pool, engine } = await start();
  const request = provisionRequest(platform);
  await provision(service, request);
  const statuses: string[] = [];
  for (const label of [...WAY_IN, 'serve']) {
    await stepTo(service, request.uuid, label);
    statuses.push((await pool.query('select status from addon')).rows[0].status);
  }
  expect(statuses).toEqual([
    ...['requested', 'awaiting', 'provisioning', 'provisioning', 'configuring', 'configuring', 'configuring'],
    'available',
  ]);
  expect(platform.addons.get(request.uuid)).toMatchObject({ state: 'provisioned', provisionActions: 1 });
  expect(engine.counts).toEqual({ created: 1, applied: 1, destroyed: 0 });
});

test('the config vars lead to the cluster: two ports, two roles, one tunnel', async () => {
  const { service, platform, engine } = await start();
  const { id } = await availableAddon({ service, platform });
  const config = platform.addons.get(id)!.config as Record<string, string>;
  const [writer, reader] = [config.BOREALIS_PG_URL!, config.BOREALIS_PG_READONLY_URL!].map((text) => new URL(text));
  const info = parseConnInfo(config.BOREALIS_PG_TUNNEL_BPG_CONN_INFO!);
  const [cluster] = engine.clusters.values();
  for (const url of [writer!, reader!]) {
    expect(url.hostname).toBe('pg-tunnel.borealis-data.com');
    expect(Number(url.port)).toBeGreaterThanOrEqual(20_000);
    expect(Number(url.port)).toBeLessThanOrEqual(32_767);
    expect(url.search).toBe('?sslmode=require');
    expect(url.pathname).toBe(`/${info.POSTGRES_DB_NAME}`);
  }
  expect(writer!.port).not.toBe(reader!.port);
  expect([writer!.username, writer!.password]).toEqual([info.POSTGRES_WRITER_USERNAME, info.POSTGRES_WRITER_PASSWORD]);
  expect([reader!.username, reader!.password]).toEqual([info.POSTGRES_READER_USERNAME, info.POSTGRES_READER_PASSWORD]);
  expect(info).toMatchObject({
    ADDON_ID: id,
    API_BASE_URL: 'http://api.example.test',
    POSTGRES_WRITER_HOST: `primary.${cluster!.id}.borealis.internal`,
    POSTGRES_READER_HOST: `replica.${cluster!.id}.borealis.internal`,
    SSH_HOST: cluster!.gateway!.host,
    SSH_PUBLIC_HOST_KEY: cluster!.gateway!.hostKey,
  });
  const { access } = engine;
  expect(access.tunnelUsers.map((user) => user.username)).toEqual([info.SSH_USERNAME]);
  const database = { name: info.POSTGRES_DB_NAME, owner: info.POSTGRES_WRITER_USERNAME, restricted: false };
  expect(access.databases).toEqual([database]);
  expect(access.roles.map((role) => role.name)).toEqual([info.POSTGRES_WRITER_USERNAME, info.POSTGRES_READER_USERNAME]);
});

/** Undoes the first recording of that label's outcome: all its work was done, and nobody remembers it. */
async function forgetOutcomeOnce(pool: pg.Pool, label: string): Promise<void> {
  await pool.query(`
    create sequence outcomes;
    create function forget_once() returns trigger language plpgsql as $$ begin
      if new.label = '${label}' and new.outcome in ('go', 'done') and nextval('outcomes') = 1
      then raise 'the process is killed here'; end if;
      return new;
    end $$;
    create trigger forget_once before insert on strands.strand_log for each row execute function forget_once()`);
}

async function stepThrough({ service, pool }: Harness, id: string, label: string | null): Promise<void> {
  for (let steps = 0; steps < 60; steps++) {
    if (((await service.strands.describe(id))?.label ?? null) === label) return;
    await service.strands.step(id);
  }
  throw new Error(JSON.stringify((await pool.query('select * from strands.strand')).rows));
}

test.each([...WAY_IN, ...WAY_OUT])(
  'work that is repeated from %s on makes nothing twice and leaves nothing',
  async (at) => {
    const harness = await start();
    const { service, platform, pool, engine } = harness;
    const request = provisionRequest(platform);
    await forgetOutcomeOnce(pool, at);
    await provision(service, request);
    await stepThrough(harness, request.uuid, 'serve');
    expect(engine.counts.created).toBe(1);
    expect(platform.addons.get(request.uuid)).toMatchObject({ state: 'provisioned', provisionActions: 1 });
    expect(engine.access.roles).toHaveLength(2);
    expect((await pool.query('select from app_role')).rowCount).toBe(2);
    await deprovision(service, request.uuid);
    await stepThrough(harness, request.uuid, null);
    expect(Number((await pool.query('select last_value from outcomes')).rows[0].last_value)).toBeGreaterThan(1);
    await expectNothingLeft(harness);
    expect(engine.counts.destroyed).toBe(1);
  },
);

async function expectNothingLeft({ pool, engine }: Harness): Promise<void> {
  expect(engine.clusters.size).toBe(0);
  const tables = await pool.query(
    `select table_name as name from information_schema.tables
     where table_schema = 'public' and table_name not in ('migration', 'event', 'master_key_check', 'engine_cursor')`,
  );
  expect(tables.rowCount).toBeGreaterThan(8);
  for (const { name } of tables.rows)
    expect([name, (await pool.query(`select from ${name}`)).rowCount]).toEqual([name, 0]);
  expect((await pool.query("select from event where delivery = 'pending'")).rowCount).toBe(0);
  expect((await pool.query("select from event where type = 'addon-destroyed'")).rowCount).toBe(1);
}

test.each(WAY_IN)('an add-on that is removed while it stands at %s leaves nothing', async (at) => {
  const harness = await start();
  const { service, platform } = harness;
  const request = provisionRequest(platform);
  await provision(service, request);
  await stepTo(service, request.uuid, at);
  expect((await deprovision(service, request.uuid)).statusCode).toBe(204);
  await stepTo(service, request.uuid, null);
  await expectNothingLeft(harness);
});

test('a removal is asked for until the engine has done it', async () => {
  const harness = await start();
  const { service, platform, engine } = harness;
  const { id } = await availableAddon({ service, platform });
  let refusals = 3;
  engine.before = (name) => {
    if (name === 'destroyCluster' && refusals-- > 0) throw new EngineError('internal', 'a disk does not answer');
  };
  await deprovision(service, id);
  await stepTo(service, id, null);
  await expectNothingLeft(harness);
});

/** Makes every cluster of the engine fail from now on, as one does whose release cannot be fetched. */
function failClusters({ engine }: Harness): void {
  for (const cluster of engine.clusters.values())
    Object.assign(cluster, { phase: 'failed', detail: 'The release cannot be fetched. It is tried again.' });
}

test('a cluster that fails is waited for as long as the engine tries, and is never parked', async () => {
  const harness = await start();
  const { service, platform, engine } = harness;
  const request = provisionRequest(platform);
  await provision(service, request);
  await stepTo(service, request.uuid, 'waitCluster');
  failClusters(harness);
  for (let tries = 0; tries < 15; tries++)
    expect(await service.strands.step(request.uuid)).toMatchObject({ outcome: 'failed', label: 'waitCluster' });
  expect((await service.strands.describe(request.uuid))?.error).toContain('cannot be fetched');
  for (const cluster of engine.clusters.values()) cluster.phase = 'ready';
  await stepTo(service, request.uuid, 'serve');
});

test('a cluster that can never be made: the add-on is given up, the platform is told, nothing is left', async () => {
  const harness = await start();
  const { service, platform, pool, logged } = harness;
  const request = provisionRequest(platform);
  await provision(service, request);
  await stepTo(service, request.uuid, 'waitCluster');
  failClusters(harness);
  await pool.query("update addon set created_at = now() - interval '61 minutes'");
  expect(await stepTo(service, request.uuid, null)).toEqual(['waitCluster', 'giveUp', 'forget']);
  expect(platform.addons.has(request.uuid)).toBe(false);
  expect(logged()).toContain('"alarm":"given-up"');
  await expectNothingLeft(harness);
  expect((await deprovision(service, request.uuid)).statusCode).toBe(410);
});

test('a cluster that the engine refuses is asked for again, and given up in the end', async () => {
  const harness = await start();
  const { service, platform, pool, engine } = harness;
  const request = provisionRequest(platform);
  await provision(service, request);
  engine.before = (what) => {
    if (what === 'createCluster') throw new EngineError('internal', 'no free address');
  };
  await stepTo(service, request.uuid, 'createCluster');
  for (let tries = 0; tries < 12; tries++)
    expect(await service.strands.step(request.uuid)).toMatchObject({ outcome: 'failed' });
  await pool.query("update addon set created_at = now() - interval '61 minutes'");
  expect(await stepTo(service, request.uuid, null)).toEqual(['createCluster', 'giveUp', 'forget']);
  await expectNothingLeft(harness);
});

test('giving up is repeated after a crash, also when the platform has forgotten the add-on by then', async () => {
  const harness = await start();
  const { service, platform, pool } = harness;
  const request = provisionRequest(platform);
  await forgetOutcomeOnce(pool, 'giveUp');
  await provision(service, request);
  await stepTo(service, request.uuid, 'waitCluster');
  failClusters(harness);
  await pool.query("update addon set created_at = now() - interval '61 minutes'");
  await stepThrough(harness, request.uuid, null);
  expect(Number((await pool.query('select last_value from outcomes')).rows[0].last_value)).toBe(2);
  await expectNothingLeft(harness);
});

test.each([
  ['waitCluster', 'cluster'],
  ['applyAccess', 'applyAccess'],
])('trouble of the engine at %s passes without the operator', async (label, call) => {
  const { service, platform, engine } = await start();
  const request = provisionRequest(platform);
  await provision(service, request);
  await stepTo(service, request.uuid, label);
  engine.before = (what) => {
    if (what === call) throw new EngineError('internal', 'a disk does not answer');
  };
  for (let tries = 0; tries < 12; tries++)
    expect(await service.strands.step(request.uuid)).toMatchObject({ outcome: 'failed', label });
  engine.before = () => {};
  await stepTo(service, request.uuid, 'serve');
});

test('trouble with the access document that does not end has the add-on given up', async () => {
  const harness = await start();
  const { service, platform, pool, engine } = harness;
  const request = provisionRequest(platform);
  await provision(service, request);
  await stepTo(service, request.uuid, 'applyAccess');
  engine.before = (what) => {
    if (what === 'applyAccess') throw new EngineError('internal', 'broken');
  };
  await pool.query("update addon set created_at = now() - interval '61 minutes'");
  expect(await stepTo(service, request.uuid, null)).toEqual(['applyAccess', 'giveUp', 'forget']);
  await expectNothingLeft(harness);
});

test('the operator wakes a parked workflow, and nobody else does', async () => {
  const { service, platform, engine } = await start();
  const request = provisionRequest(platform);
  await provision(service, request);
  await stepTo(service, request.uuid, 'applyAccess');
  engine.before = (what) => {
    if (what === 'applyAccess') throw Object.assign(new Error('a bug of ours'), { retryable: false });
  };
  expect(await service.strands.step(request.uuid)).toMatchObject({ outcome: 'parked' });
  engine.before = () => {};
  const url = `/operator/addons/${request.uuid}/retry`;
  const retry = (authorization: string) => service.app.inject({ method: 'POST', url, headers: { authorization } });
  expect((await retry('Bearer wrong')).statusCode).toBe(401);
  expect(await service.strands.step(request.uuid)).toBeNull();
  expect((await retry(OPERATOR)).statusCode).toBe(204);
  expect((await retry(OPERATOR)).statusCode).toBe(404);
  await stepTo(service, request.uuid, 'serve');
});

test('a code that was used before stops the callbacks, not the database; a new code brings the add-on home', async () => {
  const { service, platform, engine, logged, pool } = await start();
  const request = provisionRequest(platform);
  platform.codes.delete(request.oauth_grant.code);
  await provision(service, request);
  await stepTo(service, request.uuid, 'waitGrant');
  expect(engine.access.roles).toHaveLength(2);
  expect(logged()).toContain('"alarm":"grant-dead"');
  await service.strands.step(request.uuid);
  expect((await service.strands.describe(request.uuid))?.label).toBe('waitGrant');
  platform.codes.set('second code', request.uuid);
  const again = await provision(service, { ...request, oauth_grant: { code: 'second code' } });
  expect(again.statusCode).toBe(202);
  await stepTo(service, request.uuid, 'serve');
  expect(platform.addons.get(request.uuid)!.state).toBe('provisioned');
  expect((await pool.query('select grant_code from oauth_token')).rows).toEqual([{ grant_code: null }]);
});

test('tokens that run out are refreshed', async () => {
  const { service, platform } = await start();
  platform.expiresIn = 1;
  const request = provisionRequest(platform);
  await provision(service, request);
  await stepTo(service, request.uuid, 'serve');
  const refreshes = platform.requests.filter((line) => line.startsWith('POST /oauth')).length;
  expect(refreshes).toBeGreaterThan(2);
  expect(platform.addons.get(request.uuid)!.state).toBe('provisioned');
});

test('a platform that is out is waited for', async () => {
  const { service, platform } = await start();
  const request = provisionRequest(platform);
  await provision(service, request);
  platform.outage = 503;
  expect(await service.strands.step(request.uuid)).toMatchObject({ outcome: 'failed', label: 'exchangeGrant' });
  platform.outage = null;
  await stepTo(service, request.uuid, 'setConfigVars');
  platform.outage = 503;
  for (let tries = 0; tries < 15; tries++) {
    expect(await service.strands.step(request.uuid)).toMatchObject({ outcome: 'failed' });
  }
  platform.outage = null;
  await stepTo(service, request.uuid, 'serve');
});

test('running by itself it provisions, answers and stops, and another process goes on with what it finds', async () => {
  const { service, platform, another } = await start();
  const url = await service.listen();
  expect((await fetch(`${url}/health`)).status).toBe(200);
  const request = provisionRequest(platform);
  await provision(service, request);
  await until(() => platform.addons.get(request.uuid)!.state === 'provisioned', 'provisioned');
  await service.stop();
  const next = await another();
  await next.listen();
  await until(async () => (await next.strands.describe(request.uuid))?.label === 'serve', 'still there');
  await deprovision(next, request.uuid);
  await until(async () => (await next.strands.describe(request.uuid)) === null, 'gone');
});

test('no secret reaches a log, an error or the control database in the clear', async () => {
  const { service, platform, pool, logged, engine } = await start();
  const { id, token, name } = await availableAddon({ service, platform });
  engine.before = (what) => {
    if (what === 'usage') throw new Error('a failure that is logged');
  };
  expect((await call(service, token, 'GET', name)).statusCode).toBe(200);
  const issued = (await call(service, token, 'POST', `${name}/personal-db-users`, { enableWriteAccess: true })).json();
  const info = parseConnInfo(platform.addons.get(id)!.config.BOREALIS_PG_TUNNEL_BPG_CONN_INFO!);
  const dump: string[] = [];
  for (const table of ['addon', 'app_role', 'app_ssh_key', 'oauth_token', 'personal_credential', 'event']) {
    dump.push(...(await pool.query(`select t::text as row from ${table} t`)).rows.map(({ row }) => row));
  }
  const secrets = [
    ...[info.POSTGRES_READER_PASSWORD, info.POSTGRES_WRITER_PASSWORD, info.CLIENT_APP_JWT, issued.dbPassword, token],
    ...[info.SSH_USER_PRIVATE_KEY!.slice(60, 120), ...platform.accessTokens.keys(), ...platform.refreshTokens.keys()],
    ...[`t.${id}`, `code-${id}`, 'partner-password'],
  ] as string[];
  expect(logged()).toContain('a failure that is logged');
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(7);
    expect(logged()).not.toContain(secret);
    expect(dump.join('\n')).not.toContain(secret);
    expect(dump.join('\n')).not.toContain(Buffer.from(secret).toString('hex'));
  }
});
