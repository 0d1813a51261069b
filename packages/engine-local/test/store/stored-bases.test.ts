import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { Secret } from '@borealis/contract';
import type { ClusterAccess, ClusterSpec } from '@borealis/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missingFiles } from '../../src/archive/wal-gaps.js';
import { listBases } from '../../src/copies/bases.js';
import { type ClusterPaths, homePaths } from '../../src/home/paths.js';
import type { KeeperOptions } from '../../src/options.js';
import { ClusterBackup, walObject } from '../../src/store/cluster-backup.js';
import { DirectoryStore } from '../../src/store/directory-store.js';
import { listStoredBases, PART_BYTES } from '../../src/store/stored-bases.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from '../support/home.js';
import { type KeeperProcess, startKeeperProcess } from '../support/keeper-process.js';
import { queryDirectly } from '../support/superuser.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const ID = 'parts';
const WRAPPING_KEY = new Secret(randomBytes(32));
const ACCESS: ClusterAccess = {
  revision: 1,
  databases: [{ name: 'app', owner: 'app_rw_parts' }],
  roles: [{ name: 'app_rw_parts', database: 'app', verifiers: [], validUntil: null }],
  tunnelUsers: [],
};
const RENAMES = { databases: [{ from: 'app', to: 'again' }], roles: [{ from: 'app_rw_parts', to: 'app_rw_again' }] };
/** As much as makes a base of several parts. */
const LARGE = `create table public.large as select n, repeat(md5(n::text), 60) as filler from generate_series(1, 80000) n`;
const SUM = 'select count(*)::int as rows, sum(hashtext(l::text)::bigint)::text as sum from public.large l';
const MOMENT = `insert into public.moments default values returning
  to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`;

describe.skipIf(!isFull)('bases of several parts (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let paths: ClusterPaths;
  let keeper: KeeperProcess;
  let store: DirectoryStore;
  const sql = (text: string) => queryDirectly(home, ID, text, 'app');
  const start = async (bases: NonNullable<KeeperOptions['bases']>) => {
    const options = { location: store.location, wrappingKey: WRAPPING_KEY };
    keeper = await startKeeperProcess(home, undefined, { bases, store: options });
  };
  const nameInStore = async () => {
    const { id } = JSON.parse(await readFile(homePaths(home).identity, 'utf8')) as { id: string };
    return `${id}-${ID}`;
  };
  const open = async () => ClusterBackup.open(store, await nameInStore(), WRAPPING_KEY);
  const stored = async () => (await listStoredBases(await open())).bases;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = `${directory.path}/h`;
    paths = homePaths(home).cluster(ID);
    store = new DirectoryStore(`${directory.path}/s`);
    await mkdir(store.location);
    await start({ first: 86_400 });
    await keeper.engine.createCluster(ID, SPEC);
    await untilReady(keeper.engine, ID);
    await keeper.engine.applyAccess(ID, ACCESS);
    await sql(LARGE);
    await sql('create table public.moments (n serial)');
  }, GENEROUS);

  afterAll(async () => {
    await keeper?.kill('SIGTERM');
    await directory?.remove();
  }, GENEROUS);

  /** Files of the store below `bases`, half-written ones too. */
  async function parts(): Promise<string[]> {
    const files = await readdir(store.location, { recursive: true });
    return files.filter((file) => /\/bases\/[^/]+\/\d/.test(file)).sort();
  }

  async function imported(id: string, moment: string | null): Promise<void> {
    const spec: ClusterSpec = {
      ...SPEC,
      origin: { clusterId: await nameInStore(), fromStore: true, moment, renames: RENAMES },
    };
    await keeper.engine.createCluster(id, spec);
    await untilReady(keeper.engine, id);
  }

  test(
    'come there whole, once, when the keeper is killed within each part',
    async () => {
      await keeper.kill('SIGKILL');
      await start({ first: 0 });
      for (const part of ['000000', '000001', '000002']) {
        await eventually(`a piece of part ${part}`, async () =>
          (await parts()).some((file) => {
            const [, number = '', isHalf] = /\/(\d{6})(\.\w+\.unfinished)?$/.exec(file) ?? [];
            return number > part || (number === part && isHalf !== undefined);
          }),
        );
        await keeper.kill('SIGKILL');
        await start({ first: 0 });
      }
      const [base] = await eventually('the base', async () => ((await stored()).length > 0 ? stored() : null));
      expect(base!.parts).toBeGreaterThan(2);
      expect(base!.parts).toBe(Math.ceil(base!.packedBytes / PART_BYTES));
      await eventually('nothing by halves', async () => (await parts()).length === base!.parts);
      expect((await readdir(store.location, { recursive: true })).filter((file) => /unfinished/.test(file))).toEqual(
        [],
      );
      const before = await sql(SUM);
      await imported('whole', null);
      expect(await queryDirectly(home, 'whole', SUM, 'again')).toEqual(before);
      await keeper.engine.destroyCluster('whole');
    },
    GENEROUS,
  );

  test(
    'go with their log when they are not needed any more, here and in the store, and what is left leads to every moment since',
    async () => {
      const [old] = await listBases(paths.bases);
      const oldNames = await archived();
      expect(oldNames).toContain(old!.firstSegment);
      await keeper.kill('SIGKILL');
      // The first base is needed until there is one that is three seconds old.
      await start({ first: 0, plainEvery: 1, reflinkEvery: 1, keep: 3 });
      const isPruned = async (names: readonly string[], first: string | undefined) =>
        first !== undefined && first > old!.firstSegment && !names.some((name) => name.slice(8) < first.slice(8));
      await eventually('only newer bases, here and in the store', async () => {
        // A base is made only where something was written.
        for (let n = 0; n < 3; n++) for (const text of [MOMENT, 'select pg_switch_wal()']) await sql(text);
        const here = (await listBases(paths.bases))[0]?.firstSegment;
        const there = (await stored())[0]?.firstSegment;
        const names = (await (await open()).walNames()).filter((name) => /^[0-9A-F]{24}$/.test(name));
        return (await isPruned(await archived(), here)) && (await isPruned(names, there));
      });
      await keeper.kill('SIGKILL');
      await start({ first: 0 });
      const [{ at: first }] = (await sql(MOMENT)) as [{ at: string }];
      const [{ count }] = (await sql('select count(*)::int from public.moments')) as [{ count: number }];
      await sql(MOMENT);
      await sql('select txid_current(), pg_switch_wal()');
      const after = new Date().toISOString();
      await eventually('the store has it', async () => {
        const { upTo } = (await keeper.engine.storedBackup(ID, 'app').catch(() => null)) ?? {};
        return (upTo ?? '') > after;
      });
      const backup = await open();
      const [oldest] = await stored();
      const names = await backup.walNames();
      expect(await missingFiles(names, oldest!.firstSegment, (name) => backup.text(walObject(name)))).toEqual([]);
      // The clock as it was before the commit of the first of the two.
      await imported('past', first);
      await keeper.engine.createCluster('here', {
        ...SPEC,
        origin: { clusterId: ID, moment: first, renames: RENAMES },
      });
      await untilReady(keeper.engine, 'here');
      for (const id of ['past', 'here'])
        expect(await queryDirectly(home, id, 'select count(*)::int from public.moments', 'again')).toEqual([
          { count: count - 1 },
        ]);
    },
    GENEROUS,
  );

  async function archived(): Promise<string[]> {
    const files = await readdir(paths.archive);
    return files.flatMap((file) => /^([0-9A-F]{24})\.sealed$/.exec(file)?.[1] ?? []);
  }
});
