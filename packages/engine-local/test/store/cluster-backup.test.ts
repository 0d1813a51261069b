import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Secret } from '@borealis/contract';
import type { ClusterAccess } from '@borealis/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missingFiles } from '../../src/archive/wal-gaps.js';
import { homePaths } from '../../src/home/paths.js';
import { readAbout } from '../../src/store/backup-about.js';
import { ClusterBackup, walObject } from '../../src/store/cluster-backup.js';
import { DirectoryStore } from '../../src/store/directory-store.js';
import { listStoredBases, readBase } from '../../src/store/stored-bases.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from '../support/home.js';
import { type KeeperProcess, startKeeperProcess } from '../support/keeper-process.js';
import { queryDirectly } from '../support/superuser.js';
import { tracesOf } from '../support/traces.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const ID = 'kept';
const WRAPPING_KEY = new Secret(randomBytes(32));
const ACCESS: ClusterAccess = {
  revision: 1,
  databases: [{ name: 'app', owner: 'app_rw_kept' }],
  roles: [{ name: 'app_rw_kept', database: 'app', verifiers: [], validUntil: null }],
  tunnelUsers: [],
};
/** When to kill the keeper, in milliseconds after its start: while it lists, seals, puts. */
const KILLS = [400, 1500];

describe.skipIf(!isFull)('a cluster in an object store (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: KeeperProcess;
  let store: DirectoryStore;
  const start = () =>
    startKeeperProcess(home, undefined, {
      bases: { first: 0 },
      store: { location: store.location, wrappingKey: WRAPPING_KEY, lateMs: 1000 },
    });
  const open = async () => {
    const { id } = JSON.parse(await readFile(homePaths(home).identity, 'utf8')) as { id: string };
    return ClusterBackup.open(store, `${id}-${ID}`, WRAPPING_KEY);
  };
  const upTo = async () => (await keeper.engine.storedBackup(ID).catch(() => null))?.upTo ?? null;
  /** Waits until the store has everything up to now. */
  const untilStored = async () => {
    const now = new Date().toISOString();
    await eventually('the store has it', async () => ((await upTo()) ?? '') > now);
  };
  const told = async () => {
    const { events } = await keeper.engine.events(null, 0);
    return events.flatMap((event) => (event.type.startsWith('store-') ? [event.type] : []));
  };

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = `${directory.path}/h`;
    await mkdir(`${directory.path}/store`);
    store = new DirectoryStore(`${directory.path}/store`);
    keeper = await start();
    await keeper.engine.createCluster(ID, SPEC);
    await untilReady(keeper.engine, ID);
    expect(await keeper.engine.storedBackup(ID)).toEqual({ upTo: null });
    await keeper.engine.applyAccess(ID, ACCESS);
    await queryDirectly(home, ID, 'create table public.rows (n int)', 'app');
  }, GENEROUS);

  afterAll(async () => {
    await keeper?.kill('SIGTERM');
    await directory?.remove();
  }, GENEROUS);

  test(
    'comes there whole, wherever the keeper is killed on the way',
    async () => {
      for (const milliseconds of KILLS) {
        await queryDirectly(home, ID, `insert into public.rows select generate_series(1, 1000)`, 'app');
        await sleep(milliseconds);
        await keeper.kill('SIGKILL');
        keeper = await start();
      }
      await untilReady(keeper.engine, ID);
      await untilStored();
      const backup = await open();
      const { bases, unfinished } = await listStoredBases(backup);
      expect([bases.length, unfinished]).toEqual([1, []]);
      let bytes = 0;
      for await (const part of readBase(backup, bases[0]!)) bytes += part.length;
      expect(bytes).toBe(bases[0]!.packedBytes);
      const names = await backup.walNames();
      expect(await missingFiles(names, bases[0]!.firstSegment, (name) => backup.text(walObject(name)))).toEqual([]);
      for (const name of names)
        for await (const part of backup.get(walObject(name))) expect(part.length).toBeGreaterThan(0);
      expect(await readAbout(backup)).toMatchObject({
        major: '16',
        databases: [{ name: 'app', owner: 'app_rw_kept' }],
      });
      const files = await readdir(store.location, { recursive: true });
      expect(files.filter((file) => file.includes('unfinished'))).toEqual([]);
    },
    GENEROUS,
  );

  test('is read by nobody with another key', async () => {
    const { id } = await open();
    await expect(ClusterBackup.open(store, id, new Secret(randomBytes(32)))).rejects.toThrow('sealed with another key');
    await expect(ClusterBackup.open(store, 'nobody-here', WRAPPING_KEY)).rejects.toMatchObject({ fault: 'missing' });
  });

  test(
    'goes on without its store, which is told once, and catches up when it is back',
    async () => {
      await rename(store.location, `${store.location}.gone`);
      await queryDirectly(home, ID, 'select txid_current(), pg_switch_wal()');
      await eventually('the alarm', async () => (await told()).length === 1);
      await queryDirectly(home, ID, 'insert into public.rows values (1)', 'app');
      expect((await keeper.engine.cluster(ID))?.phase).toBe('ready');
      await keeper.kill('SIGKILL');
      keeper = await start();
      await untilReady(keeper.engine, ID);
      await rename(`${store.location}.gone`, store.location);
      await untilStored();
      expect(await told()).toEqual(['store-failing', 'store-recovered']);
    },
    GENEROUS,
  );

  test(
    'is removed from the store with the cluster, also when the store is back only later',
    async () => {
      await rename(store.location, `${store.location}.gone`);
      await keeper.engine.destroyCluster(ID);
      expect(await tracesOf(home, ID)).toEqual([]);
      await rename(`${store.location}.gone`, store.location);
      expect((await store.list('clusters/')).length).toBeGreaterThan(0);
      await keeper.kill('SIGKILL');
      keeper = await start();
      await eventually('nothing is left in the store', async () => (await store.list('')).length === 0);
    },
    GENEROUS,
  );
});
