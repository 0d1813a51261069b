import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Secret } from '@borealis/contract';
import type { ClusterAccess, ClusterSpec } from '@borealis/engine';
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
const INSERT = `insert into public.moments default values returning
  to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`;
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
  const upTo = async () => (await keeper.engine.storedBackup(ID, 'app').catch(() => null))?.upTo ?? null;
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
    expect(await keeper.engine.storedBackup(ID, 'app')).toEqual({ upTo: null, newestDump: null, waitingDumps: 0 });
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

  describe('on another machine', () => {
    let other: KeeperProcess;
    let otherHome: string;
    let name: string;
    const startOther = (wrappingKey = WRAPPING_KEY) =>
      startKeeperProcess(otherHome, undefined, { store: { location: store.location, wrappingKey } });
    const spec = (moment: string | null, more: Partial<ClusterSpec> = {}): ClusterSpec => ({
      ...{ ...SPEC, ...more },
      origin: {
        ...{ clusterId: name, fromStore: true, moment },
        renames: { databases: [{ from: 'app', to: 'again' }], roles: [{ from: 'app_rw_kept', to: 'app_rw_again' }] },
      },
    });
    const untilFailed = (id: string) =>
      eventually('the reason', async () => {
        const state = await other.engine.cluster(id);
        return state?.phase === 'failed' ? state.detail : null;
      });

    beforeAll(async () => {
      otherHome = `${directory.path}/o`;
      ({ id: name } = await open());
      other = await startOther();
    }, GENEROUS);

    afterAll(async () => {
      await other?.kill('SIGTERM');
    }, GENEROUS);

    test(
      'is made anew with exactly the commits up to a moment, or with all, wherever the keeper is killed',
      async () => {
        const moments: string[] = [];
        await queryDirectly(home, ID, 'create table public.moments (n serial)', 'app');
        for (let count = 0; count < 4; count++) {
          const rows = await queryDirectly(home, ID, INSERT, 'app');
          moments.push((rows as { at: string }[])[0]!.at);
        }
        await queryDirectly(home, ID, 'select txid_current(), pg_switch_wal()');
        await untilStored();
        expect(await other.engine.storedCluster(name)).toMatchObject({
          ...{ major: '16', databases: [{ name: 'app', owner: 'app_rw_kept' }] },
          window: { earliest: expect.any(String), latest: expect.any(String), formerMajors: [] },
        });
        // The clock as it was in the third commit.
        await other.engine.createCluster('past', spec(moments[2]!));
        await other.engine.createCluster('whole', spec(null));
        for (const milliseconds of [300, 1000]) {
          await sleep(milliseconds);
          await other.kill('SIGKILL');
          other = await startOther();
        }
        for (const [id, count] of [
          ['past', 2],
          ['whole', 4],
        ] as const) {
          await untilReady(other.engine, id);
          expect(await queryDirectly(otherHome, id, 'select count(*)::int from public.moments', 'again')).toEqual([
            { count },
          ]);
          const roles = await queryDirectly(
            otherHome,
            id,
            "select rolname, rolcanlogin from pg_roles where rolname ~ '^app_'",
          );
          expect(roles).toEqual([{ rolname: 'app_rw_again', rolcanlogin: false }]);
          await other.engine.destroyCluster(id);
        }
        // It is the backup of another home: nothing that is done with a copy touches it.
        expect((await open()).id).toBe(name);
      },
      GENEROUS,
    );

    test(
      'is refused with another key, another version or a damaged part, and nothing is left',
      async () => {
        await expect(other.engine.createCluster('wrong', spec(null, { major: '15' }))).rejects.toMatchObject({
          code: 'unsupported',
          message: expect.stringContaining('is of PostgreSQL 16'),
        });
        await expect(other.engine.createCluster('wrong', spec('2020-01-01T00:00:00Z'))).rejects.toMatchObject({
          code: 'unsupported',
          message: expect.stringContaining('no moment before'),
        });
        expect(await other.engine.storedCluster('nobody-here')).toBeNull();
        const part = (await store.list('clusters/')).find(({ name: object }) => object.endsWith('/000000'))!;
        const file = `${store.location}/${part.name}`;
        const bytes = await readFile(file);
        const changed = Buffer.from(bytes);
        changed[Math.floor(bytes.length / 2)]! ^= 1;
        const another = await readFile(`${store.location}/clusters/${name}/about`);
        for (const damaged of [changed, bytes.subarray(0, -1000), another]) {
          await writeFile(file, damaged);
          await other.engine.createCluster('damaged', spec(null));
          expect(await untilFailed('damaged')).toMatch(/000000".* (is damaged|ends too early|is not what was sealed)/);
          await other.engine.destroyCluster('damaged');
        }
        await writeFile(file, bytes);
        await other.kill('SIGTERM');
        other = await startOther(new Secret(randomBytes(32)));
        await expect(other.engine.createCluster('wrong', spec(null))).rejects.toMatchObject({
          code: 'unsupported',
          message: expect.stringContaining('sealed with another key'),
        });
        for (const id of ['wrong', 'damaged']) expect(await tracesOf(otherHome, id)).toEqual([]);
      },
      GENEROUS,
    );
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
