import { randomUUID } from 'node:crypto';
import { EngineError } from '@borealis/engine';
import { expect, test } from 'vitest';
import {
  addPerson,
  availableAddon,
  call,
  deprovision,
  type Harness,
  provision,
  provisionRequest,
  stepTo,
  useService,
} from './support/harness.js';
import { useStorage } from './support/storage.js';

const start = useService();
const BOUNDS = { earliest: '2023-03-01T00:00:00.000000Z', latest: '2023-03-05T12:00:00.500000Z' };
const WINDOW = { ...BOUNDS, formerMajors: [] };
const MOMENT = '2023-03-05T15:05:17.485+05:30';

/** An available add-on, tokens for it, and requests that want to become a copy of it. */
async function source(harness: Harness, more: Record<string, unknown> = {}) {
  const { service, platform, pool } = harness;
  const made = await availableAddon(harness, more);
  const issue = () => call(service, made.token, 'POST', `${made.name}/restore-tokens`);
  const request = async (options: Record<string, string> = {}, change: Record<string, unknown> = {}) => {
    const token = (await issue()).json().restoreToken;
    return provisionRequest(platform, { options: { 'restore-token': token, ...options }, ...change });
  };
  const cluster = async (id: string) => {
    const { rows } = await pool.query('select cluster_id, database_name from addon where id = $1', [id]);
    return { clusterId: rows[0].cluster_id as string, database: rows[0].database_name as string };
  };
  const events = async () =>
    (await pool.query("select attributes from event where type = 'db-restore-initiated' and addon_id = $1", [made.id]))
      .rows;
  return {
    ...{ ...made, issue, request, cluster, events },
    refused: async (options: Record<string, string>, change: Record<string, unknown> = {}) => {
      const before = await contents(harness);
      const answer = await provision(service, await request(options, change));
      expect(await contents(harness)).toEqual(before);
      return [answer.statusCode, answer.json().message];
    },
  };
}

async function contents({ pool }: Harness) {
  const count = (table: string) => `(select count(*)::int from ${table}) as "${table}"`;
  const tables = ['addon', 'cluster', 'origin', 'event', 'local_port', 'strands.strand'].map(count);
  return (await pool.query(`select ${tables.join(', ')}`)).rows[0];
}

test('what can be restored is what the engine says', async () => {
  const harness = await start();
  const { name, token } = await availableAddon(harness);
  const ask = async () => (await call(harness.service, token, 'GET', `${name}/restore-capabilities`)).json();
  const receipts = { latestBackup: null, latestRestoreProof: null };
  const nothing = { earliestRestorableTime: null, latestRestorableTime: null, ...receipts };
  expect(await ask()).toEqual({ cloneSupported: true, restoreSupported: false, ...nothing });
  harness.engine.window = WINDOW;
  expect(await ask()).toEqual({
    ...{ cloneSupported: true, restoreSupported: true },
    ...{ earliestRestorableTime: WINDOW.earliest, latestRestorableTime: WINDOW.latest, ...receipts },
  });
  const proof = {
    ...{ at: WINDOW.latest!, seconds: 3.5, base: WINDOW.earliest!, upTo: WINDOW.latest!, bytes: 24_000_000 },
    ...{ failure: null, checked: { databases: 3, tables: 200, rows: 9000, indexes: 300 } },
  };
  harness.engine.window = { ...WINDOW, proof };
  expect((await ask()).latestRestoreProof).toEqual(proof);
});

test('an add-on that shares its cluster has no copies, and says which have', async () => {
  const harness = await start();
  const shared = await source(harness, { plan: 'dev' });
  const answer = await call(harness.service, shared.token, 'GET', `${shared.name}/restore-capabilities`);
  expect(answer.json()).toMatchObject({ cloneSupported: false, restoreSupported: false, earliestRestorableTime: null });
  const refusal = await shared.issue();
  expect([refusal.statusCode, refusal.json().reason]).toEqual([
    400,
    expect.stringMatching(/plan "dev" cannot be cloned or restored.*: x1-s10-p1-r1, /),
  ]);
});

test('a clone is a copy of the present with names and credentials of its own, and its source notices one event', async () => {
  const harness = await start();
  const { service, engine, platform, pool } = harness;
  const parent = await source(harness);
  await call(service, parent.token, 'POST', `${parent.name}/personal-db-users`, { enableWriteAccess: true });
  engine.looksUntilReady = 2;
  const config = platform.addons.get(parent.id)!.config;
  const before = await parent.cluster(parent.id);
  const request = await parent.request();
  expect((await provision(service, request)).json().message).toMatch(/as a copy of another/);
  expect(await stepTo(service, request.uuid, 'serve')).toContain('waitCopy');

  const { clusterId, database } = await parent.cluster(request.uuid);
  const copy = engine.clusters.get(clusterId)!;
  const roles = copy.access!.roles.map(({ name }) => name);
  const [rw, ro] = engine.clusters.get(before.clusterId)!.access!.roles.map(({ name }) => name);
  expect(copy.spec.origin).toEqual({
    ...{ clusterId: before.clusterId, moment: null },
    renames: {
      databases: [{ from: before.database, to: database }],
      roles: [
        { from: rw, to: roles[0] },
        { from: ro, to: roles[1] },
      ],
    },
  });
  expect(roles).toEqual([expect.stringMatching(/^app_rw_/), expect.stringMatching(/^app_ro_/)]);
  expect(roles).not.toContain(rw);
  expect(copy.access!.tunnelUsers).toHaveLength(1);
  expect(copy.access!.databases).toEqual([{ name: database, owner: roles[0], restricted: false }]);
  expect(new URL(platform.addons.get(request.uuid)!.config.BOREALIS_PG_URL!)).toMatchObject({
    username: roles[0],
    pathname: `/${database}`,
  });
  expect(platform.addons.get(parent.id)!.config).toEqual(config);
  expect(await parent.events()).toEqual([{ attributes: { destination: request.name, user: 'dev@example.com' } }]);
  expect((await pool.query('select delivery from event where type = $1', ['db-restore-initiated'])).rows).toEqual([
    { delivery: 'pending' },
  ]);
});

test('info names the source by its present name, and by its last one when it is gone', async () => {
  const harness = await start();
  const { service, platform } = harness;
  const parent = await source(harness);
  const request = await parent.request();
  await provision(service, request);
  const token = addPerson(platform, 'dev@example.com', [request.uuid]);
  const named = async () => (await call(service, token, 'GET', request.name)).json().restoreSourceAddonName;
  expect(await named()).toBe(parent.name);
  await stepTo(service, request.uuid, 'serve');
  platform.addons.get(parent.id)!.name = 'ledger';
  await call(service, parent.token, 'GET', 'ledger');
  expect(await named()).toBe('ledger');
  await deprovision(service, parent.id);
  await stepTo(service, parent.id, null);
  expect(await named()).toBe('ledger');
});

test('a restore to a moment before a major upgrade is of the major of then', async () => {
  const harness = await start();
  const upgradedAt = '2023-03-05T11:00:00.000000Z';
  harness.engine.window = { ...WINDOW, formerMajors: [{ major: '15', until: upgradedAt }] };
  const parent = await source(harness);
  const majorOf = async (time: string) => {
    const request = await parent.request({ 'restore-to-time': time }, { plan: 'x1-s100-p2-r4' });
    expect((await provision(harness.service, request)).statusCode).toBe(202);
    await stepTo(harness.service, request.uuid, 'waitCluster');
    return harness.engine.clusters.get((await parent.cluster(request.uuid)).clusterId)!.spec.major;
  };
  expect(await majorOf('2023-03-05T10:59:59.999999Z')).toBe('15');
  expect(await majorOf(upgradedAt)).toBe('16');
});

test('a restore asks the engine for the moment in UTC, to the microsecond', async () => {
  const harness = await start();
  harness.engine.window = WINDOW;
  const parent = await source(harness);
  const request = await parent.request({ 'restore-to-time': MOMENT }, { plan: 'x1-s100-p2-r4' });
  expect((await provision(harness.service, request)).statusCode).toBe(202);
  await stepTo(harness.service, request.uuid, 'waitCluster');
  const { clusterId } = await parent.cluster(request.uuid);
  expect(harness.engine.clusters.get(clusterId)!.spec).toMatchObject({
    ...{ storageGiB: 100, origin: { moment: '2023-03-05T09:35:17.485000Z' } },
  });
  const restored = { destination: request.name, restore_to_time: '2023-03-05T09:35:17.485000Z' };
  expect(await parent.events()).toEqual([{ attributes: { ...restored, user: 'dev@example.com' } }]);
});

test('a moment that cannot be restored is refused with what can be, and leaves nothing; both ends can be', async () => {
  const harness = await start();
  const { refused, request } = await source(harness);
  const to = (time: string) => refused({ 'restore-to-time': time });
  expect(await to(MOMENT)).toEqual([422, expect.stringMatching(/No past moment of borealis-pg-cubic-.* now\. Leave/)]);
  harness.engine.window = WINDOW;
  const allowed =
    'cannot be restored. Allowed are times from 2023-03-01T00:00:00.000000Z to 2023-03-05T12:00:00.500000Z.';
  for (const time of ['2023-03-05T12:00:00.500001Z', '2023-02-28T23:59:59.999999Z'])
    expect(await to(time)).toEqual([422, `The time to restore to, ${time}, ${allowed}`]);
  expect(await to('2999-01-01T00:00:00Z')).toEqual([
    422,
    expect.stringMatching(/is in the future: it is \d{4}-.*Z now/),
  ]);
  expect(await to('2023-03-05T12:00:00')).toEqual([422, expect.stringMatching(/has no zone/)]);
  expect(await to('')).toEqual([422, expect.stringMatching(/is not understood/)]);
  for (const time of Object.values(BOUNDS))
    expect((await provision(harness.service, await request({ 'restore-to-time': time }))).statusCode).toBe(202);
});

test('plan and version must suit a copy', async () => {
  const harness = await start();
  const { refused, request, name, cluster, id } = await source(harness, { options: { version: '15' } });
  expect(await refused({}, { plan: 'dev' })).toEqual([
    422,
    expect.stringMatching(/own.*"dev" does not.*x1-s10-p1-r1,/),
  ]);
  expect(await refused({ version: '16' })).toEqual([
    422,
    `A copy has the PostgreSQL version of its source: ${name} has 15, and "16" was asked for. Leave the option "version" out.`,
  ]);
  harness.engine.sizes.set((await cluster(id)).database, 11 * 2 ** 30);
  expect(await refused({})).toEqual([
    422,
    expect.stringMatching(
      /"x1-s10-p1-r1" is too small: it has 10.00 GiB .* takes 11.00 GiB\. .* enough: x1-s100-p2-r4,/,
    ),
  ]);
  const large = await request({ version: '15' }, { plan: 'x1-s100-p2-r4' });
  expect((await provision(harness.service, large)).statusCode).toBe(202);
  await stepTo(harness.service, large.uuid, 'waitCluster');
  expect(harness.engine.clusters.get((await cluster(large.uuid)).clusterId)!.spec.major).toBe('15');
});

test('a token makes one add-on, however often its request comes, and nothing after ten minutes', async () => {
  const harness = await start();
  const { service, pool } = harness;
  const { request, events } = await source(harness);
  const first = await request();
  const answers = await Promise.all([1, 2, 3, 4].map(() => provision(service, first)));
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([202, 202, 202, 202]);
  expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
  expect(await events()).toHaveLength(1);
  expect((await pool.query('select from origin')).rowCount).toBe(1);

  const sentence = expect.stringMatching(/unknown, has expired or was used for another add-on.*good for 10 minutes/);
  const second = provisionRequest(harness.platform, { options: first.options });
  const refusal = await provision(service, second);
  expect([refusal.statusCode, refusal.json().message]).toEqual([422, sentence]);
  const contested = await request();
  const rivals = [1, 2, 3].map(() => provisionRequest(harness.platform, { options: contested.options }));
  const outcomes = await Promise.all([contested, ...rivals].map((one) => provision(service, one)));
  expect(outcomes.map(({ statusCode }) => statusCode).sort()).toEqual([202, 422, 422, 422]);
  expect(await events()).toHaveLength(2);

  const late = await request();
  await pool.query(`update restore_token set valid_until = now() - interval '1 second'`);
  expect((await provision(service, late)).json().message).toEqual(sentence);
  expect((await provision(service, first)).statusCode).toBe(202);
});

test('no token stands in the database, and a token that is never used goes when it has expired', async () => {
  const harness = await start();
  const { issue } = await source(harness);
  const token = (await issue()).json().restoreToken as string;
  const rows = async () => (await harness.pool.query('select * from restore_token')).rows;
  expect(token).toMatch(/^[A-Za-z0-9]{32}$/);
  expect(JSON.stringify(await rows())).not.toContain(token);
  expect(harness.logged()).not.toContain(token);
  await harness.pool.query(`update restore_token set valid_until = now()`);
  await issue();
  expect(await rows()).toHaveLength(1);
});

test('what is being removed, upgraded or not there yet is not copied', async () => {
  const harness = await start();
  const { service, pool } = harness;
  const parent = await source(harness);
  const request = await parent.request();
  const become = (status: string) => pool.query('update addon set status = $1', [status]);
  const tried = async () => (await provision(service, request)).json().message;
  await become('configuring');
  expect(await tried()).toMatch(/cannot be copied now: it has not finished provisioning/);
  await become('maintenance-postgresql-major-version-upgrade');
  expect(await tried()).toMatch(/cannot be copied now: a PostgreSQL major version upgrade of it is running/);
  await become('available');
  await deprovision(service, parent.id);
  expect(await tried()).toMatch(/cannot be copied now: it is being removed/);
  await stepTo(service, parent.id, null);
  expect(await tried()).toMatch(/token is not valid/);
  expect((await pool.query('select from origin')).rowCount).toBe(0);
});

test('a removal of the source that begins while the request is looked at wins', async () => {
  const harness = await start();
  const parent = await source(harness);
  const request = await parent.request();
  harness.engine.before = async (what) => {
    if (what === 'usage') await deprovision(harness.service, parent.id);
  };
  const answer = await provision(harness.service, request);
  expect([answer.statusCode, answer.json().message]).toEqual([422, expect.stringMatching(/it is being removed/)]);
  expect(await contents(harness)).toMatchObject({ addon: 1, origin: 0, cluster: 1 });
});

test('an engine that cannot tell is waited for, and the size counts as last measured', async () => {
  const harness = await start();
  const { request, refused, id } = await source(harness);
  const failing = (call: string) => {
    harness.engine.before = (what) => {
      if (what === call) throw new EngineError('unavailable', 'away');
    };
  };
  failing('restoreWindow');
  expect((await refused({ 'restore-to-time': MOMENT }))[0]).toBe(503);
  failing('usage');
  await harness.pool.query('update storage set usage_bytes = $1 where addon_id = $2', [11 * 2 ** 30, id]);
  expect(await refused({})).toEqual([422, expect.stringMatching(/takes 11.00 GiB/)]);
  await harness.pool.query('update storage set usage_bytes = 0');
  expect((await provision(harness.service, await request())).statusCode).toBe(202);
});

test('a copy whose source is destroyed before it is made is given up at once, and the platform told', async () => {
  const harness = await start();
  const { service, platform } = harness;
  const parent = await source(harness);
  const request = await parent.request();
  await provision(service, request);
  await stepTo(service, request.uuid, 'createCluster');
  await deprovision(service, parent.id);
  await stepTo(service, parent.id, null);
  expect(await stepTo(service, request.uuid, null)).toEqual(['createCluster', 'giveUp', 'forget']);
  expect(platform.addons.has(request.uuid)).toBe(false);
  expect((await harness.pool.query('select from addon')).rowCount).toBe(0);
});

test('a copy that fails is given up at once when its source is gone, and tried again for an hour while it is there', async () => {
  const harness = await start();
  const { service, engine, pool } = harness;
  const parent = await source(harness);
  const [lost, kept] = [await parent.request(), await parent.request()];
  for (const request of [lost, kept]) {
    await provision(service, request);
    await stepTo(service, request.uuid, 'waitCluster');
    engine.clusters.get((await parent.cluster(request.uuid)).clusterId)!.phase = 'failed';
  }
  expect(await service.strands.step(kept.uuid)).toMatchObject({ outcome: 'failed' });
  await pool.query(`update addon set created_at = now() - interval '61 minutes' where id = $1`, [kept.uuid]);
  expect(await stepTo(service, kept.uuid, null)).toEqual(['waitCluster', 'giveUp', 'forget']);
  await deprovision(service, parent.id);
  await stepTo(service, parent.id, null);
  expect(await stepTo(service, lost.uuid, null)).toEqual(['waitCluster', 'giveUp', 'forget']);
});

test('a database that can only be read is cloned into one that is judged by its own size', async () => {
  const harness = await start();
  const { service, addon } = await useStorage(harness);
  const parent = await addon();
  await parent.grow(1600);
  expect(parent.isRestricted()).toBe(true);
  const token = (await call(service, parent.token, 'POST', `${parent.name}/restore-tokens`)).json().restoreToken;
  const request = provisionRequest(harness.platform, { options: { 'restore-token': token } });
  const refusal = await provision(service, request);
  expect([refusal.statusCode, refusal.json().message]).toEqual([422, expect.stringMatching(/No plan is large enough/)]);

  const roomy = await harness.another();
  expect((await provision(roomy, request)).statusCode).toBe(202);
  await stepTo(roomy, request.uuid, 'serve');
  const { rows } = await harness.pool.query('select cluster_id, write_revoked from addon where id = $1', [
    request.uuid,
  ]);
  expect(rows[0].write_revoked).toBe(false);
  expect(harness.engine.clusters.get(rows[0].cluster_id)!.access!.databases).toMatchObject([{ restricted: false }]);
  const reader = addPerson(harness.platform, `${randomUUID()}@example.com`, [request.uuid]);
  expect((await call(roomy, reader, 'GET', request.name)).json()).toMatchObject({ storageComplianceStatus: 'ok' });
});
