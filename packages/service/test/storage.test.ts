import { makeSshKeyPair } from '@borealis/contract';
import { expect, test } from 'vitest';
import { call, useService } from './support/harness.js';
import { useStorage } from './support/storage.js';

const start = useService();
const DEV = { plan: 'dev' };

test('a database near its limit is warned about once, and again only after it was well below', async () => {
  const { addon } = await useStorage(await start());
  const it = await addon();
  for (const bytes of [899, 900, 950, 860, 910]) await it.grow(bytes);
  expect(await it.mails()).toEqual(['IT has used 90 % of its storage']);
  expect((await it.info()).storageComplianceStatus).toBe('proximity-warning');
  await it.grow(849);
  expect((await it.info()).storageComplianceStatus).toBe('ok');
  await it.grow(930);
  expect(await it.mails()).toEqual(['IT has used 90 % of its storage', 'IT has used 93 % of its storage']);
  expect(await it.events()).toEqual([]);
});

test('one over its limit has a deadline, and nothing happens when it is kept', async () => {
  const { addon } = await useStorage(await start());
  const it = await addon();
  await it.grow(1000);
  const info = await it.info();
  expect(info).toMatchObject({ storageComplianceStatus: 'violating', dbStorageMaxBytes: 1000, status: 'available' });
  const days = (Date.parse(info.storageComplianceDeadline) - Date.now()) / 86_400_000;
  expect(Math.round(days)).toBe(7);
  await it.grow(960);
  expect((await it.info()).storageComplianceDeadline).toBe(info.storageComplianceDeadline);
  await it.grow(940);
  expect(await it.info()).toMatchObject({
    storageComplianceStatus: 'proximity-warning',
    storageComplianceDeadline: null,
  });
  expect(it.isRestricted()).toBe(false);
  expect(await it.events()).toEqual(['db-storage-limit-violated', 'db-storage-limit-violation-resolved']);
  expect(await it.mails()).toEqual(['IT is over its storage limit']);
});

test('past the deadline it can only be read, and comes back by itself when it is small enough', async () => {
  const harness = await start();
  const { addon, passTime } = await useStorage(harness);
  const it = await addon();
  await it.grow(1001);
  expect((await it.dbUser(true)).statusCode).toBe(201);
  await passTime();
  await it.measure(1001);
  expect((await it.info()).status).toBe('maintenance-revoke-db-write-access');
  await it.work();
  expect(it.isRestricted()).toBe(true);
  expect(await it.info()).toMatchObject({ storageComplianceStatus: 'restricted', status: 'available' });
  const refused = await it.dbUser(true);
  expect(refused.statusCode).toBe(403);
  expect(refused.json().reason).toMatch(/upgrade the add-on to a larger plan, or .* clean-up window of 30 minutes/);
  expect((await it.dbUser(false)).statusCode).toBe(201);
  expect(it.isRestricted()).toBe(true);
  await it.grow(960);
  expect(it.isRestricted(), 'just below the limit is not enough').toBe(true);
  await it.measure(800);
  expect((await it.info()).status).toBe('maintenance-restore-db-write-access');
  await it.work();
  expect(it.isRestricted()).toBe(false);
  expect((await it.dbUser(true)).statusCode).toBe(201);
  expect(await it.info()).toMatchObject({ storageComplianceStatus: 'ok', status: 'available' });
  expect(await it.events()).toEqual([
    'db-storage-limit-violated',
    'db-write-access-revoked deadline',
    'db-storage-limit-violation-resolved',
    'db-write-access-restored resolved',
  ]);
  expect(await it.mails()).toEqual([
    ...['IT is over its storage limit', 'IT can only be read now', 'IT can be written to again'],
  ]);
  const { rows } = await harness.pool.query("select body from mail where subject ~ 'only be read'");
  expect(rows[0].body).toContain(`heroku borealis-pg:storage:cleanup --addon ${it.name}`);
  expect(rows[0].body).toContain(`heroku addons:upgrade ${it.name}`);
});

test('one that grows far beyond its limit is restricted at once', async () => {
  const { addon } = await useStorage(await start());
  const it = await addon();
  await it.grow(1499);
  expect(it.isRestricted()).toBe(false);
  await it.grow(1500);
  expect(it.isRestricted()).toBe(true);
  expect(await it.events()).toEqual(['db-storage-limit-violated', 'db-write-access-revoked excess']);
});

test('a clean-up window opens once a day, ends by itself, and is not needed by who can write', async () => {
  const { addon, passTime, nextDay } = await useStorage(await start());
  const it = await addon();
  const notNeeded = await it.clean();
  expect(notNeeded.statusCode).toBe(400);
  expect(notNeeded.json().reason).toContain('can be written to');
  await it.grow(1500);
  expect(Date.parse((await it.info()).cleanupWindowAvailableAt)).toBeLessThanOrEqual(Date.now());
  const opened = await it.clean();
  expect(opened.statusCode).toBe(201);
  expect(it.isRestricted(), 'when the answer comes it can be written to').toBe(false);
  const minutes = (Date.parse(opened.json().until) - Date.now()) / 60_000;
  expect(Math.round(minutes)).toBe(30);
  await it.work();
  expect((await it.clean()).json()).toEqual(opened.json());
  expect(await it.info()).toMatchObject({ status: 'available', cleanupWindowUntil: opened.json().until });
  expect((await it.dbUser(true)).statusCode).toBe(201);
  await it.grow(1200);
  expect(it.isRestricted()).toBe(false);
  await passTime();
  await it.grow(1200);
  expect(it.isRestricted()).toBe(true);
  const again = await it.clean();
  expect(again.statusCode).toBe(400);
  expect(again.json().reason).toContain((await it.info()).cleanupWindowAvailableAt);
  await nextDay();
  expect((await it.clean()).statusCode).toBe(201);
  await it.work();
  await it.grow(500);
  await passTime();
  await it.grow(500);
  expect(it.isRestricted(), 'what was cleaned up stays writable').toBe(false);
  expect(await it.events()).toEqual([
    'db-storage-limit-violated',
    'db-write-access-revoked excess',
    'db-write-access-restored clean-up-window',
    'db-write-access-revoked clean-up-window-ended',
    'db-write-access-restored clean-up-window',
    'db-storage-limit-violation-resolved',
  ]);
  expect(await it.info()).toMatchObject({ cleanupWindowAvailableAt: null, cleanupWindowUntil: null });
});

test('a restriction goes on while the engine is out, and is told of when it is done, once', async () => {
  const harness = await start();
  const { addon, service } = await useStorage(harness);
  const it = await addon();
  harness.engine.before = (name) => {
    if (name === 'applyAccess') throw new Error('out');
  };
  await it.grow(1500);
  expect(it.isRestricted()).toBe(false);
  expect((await it.dbUser(true)).statusCode, 'from the decision on').toBe(403);
  expect(await it.events()).toEqual(['db-storage-limit-violated']);
  expect((await it.info()).status).toBe('maintenance-revoke-db-write-access');
  await service.stop();
  harness.engine.before = () => {};
  // Whoever comes next on the same database, and twice.
  for (let times = 0; times < 3; times++) await harness.service.strands.step(it.id);
  expect(it.isRestricted()).toBe(true);
  expect(await it.events()).toEqual(['db-storage-limit-violated', 'db-write-access-revoked excess']);
  expect(await it.mails()).toEqual(['IT can only be read now']);
});

test('what another tenant’s change has brought into force is told of as well', async () => {
  const { addon } = await useStorage(await start());
  const [it, other] = [await addon(DEV), await addon(DEV)];
  await it.measure(1500);
  expect((await other.dbUser(false)).statusCode).toBe(201);
  expect([it.isRestricted(), other.isRestricted()]).toEqual([true, false]);
  expect((await other.dbUser(true)).statusCode).toBe(201);
  await it.work();
  expect(await it.events()).toEqual(['db-storage-limit-violated', 'db-write-access-revoked excess']);
  expect(await other.events()).toEqual([]);
});

test('all credentials can be reset while it is restricted, and a restriction in the midst of a reset holds', async () => {
  const harness = await start();
  const { addon } = await useStorage(harness);
  const it = await addon();
  const status = async () => (await it.info()).status;
  await harness.pool.query("update addon set status = 'maintenance-db-credentials-full-reset'");
  await harness.pool.query("update rotation set kind = 'reset', state = 'requested'");
  await it.measure(1500);
  expect(await status(), 'the reset goes on').toBe('maintenance-db-credentials-full-reset');
  for (let steps = 0; steps < 8; steps++) await it.work();
  expect(await status()).toBe('available');
  expect(it.isRestricted()).toBe(true);
  expect(await it.events()).toEqual(['db-storage-limit-violated', 'db-write-access-revoked excess']);
  const { rows } = await harness.pool.query("select from event where type = 'db-credentials-full-reset'");
  expect(rows).toHaveLength(1);
});

test('one that cannot be measured keeps nobody else from being measured', async () => {
  const harness = await start();
  const { addon, logged } = await useStorage(harness);
  const [it, other] = [await addon(), await addon()];
  const usage = harness.engine.usage.bind(harness.engine);
  const { rows } = await harness.pool.query('select cluster_id from addon where id = $1', [it.id]);
  harness.engine.usage = async (id) => {
    if (id === rows[0].cluster_id) throw new Error('out');
    return usage(id);
  };
  await it.grow(1500);
  await other.grow(1500);
  expect([it.isRestricted(), other.isRestricted()]).toEqual([false, true]);
  expect((await it.info()).dbStorageUsageBytes).toBe(0);
  expect(logged()).toContain('cannot be measured');
});

test('the credentials of the app are rotated while it is restricted, and it stays restricted', async () => {
  const harness = await start();
  const { addon } = await useStorage(harness);
  const it = await addon();
  await it.grow(1500);
  const urlOf = () => harness.platform.addons.get(it.id)!.config.BOREALIS_PG_URL;
  const writer = () => harness.engine.access.roles.find(({ name }) => name.startsWith('app_rw_'))!;
  const [url, former] = [urlOf(), writer().verifiers];
  await harness.pool.query('update rotation set due_at = now()');
  for (let rounds = 0; rounds < 3; rounds++) await it.work();
  expect(urlOf()).not.toBe(url);
  expect(writer().verifiers).toEqual([expect.any(String), ...former]);
  expect([it.isRestricted(), (await it.info()).status]).toEqual([true, 'available']);
  await harness.pool.query("update rotation set announced_at = now() - interval '26 hours'");
  await harness.pool.query('update strands.strand set run_at = now()');
  for (let rounds = 0; rounds < 3; rounds++) await it.work();
  expect(writer().verifiers).toHaveLength(1);
  expect(it.isRestricted()).toBe(true);
});

test('while it is restricted readers are registered and removed, and writers are refused', async () => {
  const harness = await start();
  const { addon, service } = await useStorage(harness);
  const it = await addon();
  const path = `${it.name}/data-integrations`;
  const { publicKey: sshPublicKey } = makeSshKeyPair();
  const register = (integrationName: string, enableWriteAccess: boolean) =>
    call(service, it.token, 'POST', path, { integrationName, sshPublicKey, enableWriteAccess });
  expect((await register('writer', true)).statusCode).toBe(201);
  await it.grow(1500);
  expect((await register('other', true)).statusCode).toBe(403);
  expect((await register('reader', false)).statusCode).toBe(201);
  for (const name of ['reader', 'writer'])
    expect((await call(service, it.token, 'DELETE', `${path}/${name}`)).statusCode).toBe(200);
  expect(harness.engine.access.tunnelUsers.filter(({ kind }) => kind === 'integration')).toEqual([]);
  expect(it.isRestricted()).toBe(true);
});
