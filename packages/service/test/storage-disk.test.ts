import { expect, test } from 'vitest';
import { useService } from './support/harness.js';
import { useStorage } from './support/storage.js';

const start = useService();
const DEV = { plan: 'dev' };
const MIB = 2 ** 20;

/** Plans of any size, and three tenants of whom the second grows most. */
async function growers() {
  const harness = await start();
  const storage = await useStorage(harness, 2 ** 40);
  const addons = [await storage.addon(DEV), await storage.addon(DEV), await storage.addon(DEV)];
  for (const it of addons) await it.measure(10 * MIB);
  await harness.pool.query('update storage set before_bytes = usage_bytes');
  await addons[0]!.measure(80 * MIB);
  await addons[1]!.measure(500 * MIB);
  await addons[2]!.measure(11 * MIB);
  const { watch, setDisk, logged } = storage;
  const restricted = async () => {
    for (const it of addons) await it.work();
    return addons.map((it) => it.isRestricted());
  };
  return { harness, addons, watch, setDisk, logged, restricted };
}

test('before the disk is full who grew most can only read, and nobody else', async () => {
  const { addons, watch, setDisk, logged, restricted } = await growers();
  setDisk(6);
  await watch.turn();
  expect(await restricted()).toEqual([false, false, false]);
  setDisk(4);
  await watch.turn();
  await watch.turn();
  expect(await restricted(), 'the next one only when he goes on growing').toEqual([false, true, false]);
  const [first, it] = addons;
  expect(await it!.events()).toEqual(['db-write-access-revoked disk']);
  expect(await it!.mails()).toEqual(['IT can only be read now']);
  expect(await it!.info()).toMatchObject({ storageComplianceStatus: 'restricted', cleanupWindowAvailableAt: null });
  const window = await it!.clean();
  expect(window.statusCode).toBe(400);
  expect(window.json().reason).toContain('disk');
  expect(logged()).toContain('"alarm":"disk-short"');
  await first!.measure(150 * MIB);
  expect(await restricted()).toEqual([true, true, false]);
});

test('when the disk has room again they can write again by themselves', async () => {
  const { addons, watch, setDisk, restricted } = await growers();
  setDisk(4);
  await watch.turn();
  setDisk(7);
  await watch.turn();
  expect(await restricted(), 'not before there is plenty').toEqual([false, true, false]);
  setDisk(20);
  await watch.turn();
  expect(await restricted()).toEqual([false, false, false]);
  expect(await addons[1]!.events()).toEqual(['db-write-access-revoked disk', 'db-write-access-restored resolved']);
  expect((await addons[1]!.info()).storageComplianceStatus).toBe('ok');
});

test('nobody hides his growth by being measured often', async () => {
  const { addons, watch, setDisk, restricted } = await growers();
  for (let times = 0; times < 20; times++) await addons[1]!.info();
  setDisk(1);
  await watch.turn();
  expect(await restricted()).toEqual([false, true, false]);
});

test('an engine that cannot tell the room restricts nobody', async () => {
  const { harness, watch, logged, restricted } = await growers();
  harness.engine.before = (name) => {
    if (name === 'capacity') throw new Error('out');
  };
  await watch.turn();
  expect(await restricted()).toEqual([false, false, false]);
  expect(logged()).toContain('the room on the disk cannot be measured');
});

test('an add-on whose measurement cannot be taken over keeps nobody else from being looked at', async () => {
  const { addons, watch, setDisk, logged, restricted } = await growers();
  // A database column for whole bytes takes no half.
  await addons[0]!.measure(0.5);
  await addons[1]!.measure(700 * MIB);
  expect(logged()).toContain('a measurement of storage cannot be taken over');
  expect((await addons[1]!.info()).dbStorageUsageBytes).toBe(700 * MIB);
  setDisk(4);
  await watch.turn();
  expect(await restricted()).toEqual([false, true, false]);
});

test('when the worst grower cannot be restricted the next one is', async () => {
  const { harness, addons, watch, setDisk, logged, restricted } = await growers();
  await harness.pool.query(
    `create function refuse() returns trigger language plpgsql as $$ begin raise 'broken'; end $$;
     create trigger refuse before update of reason on storage for each row
     when (new.addon_id = '${addons[1]!.id}') execute function refuse()`,
  );
  setDisk(4);
  await watch.turn();
  expect(await restricted()).toEqual([true, false, false]);
  expect(logged()).toContain('cannot be restricted');
});
