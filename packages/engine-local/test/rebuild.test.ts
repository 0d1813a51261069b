import { existsSync } from 'node:fs';
import { chmod, readdir, readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterAccess, EngineEvent } from '@borealis/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClusterPaths, homePaths } from '../src/home/paths.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { queryDirectly } from './support/superuser.js';
import { processesOf, tracesOf } from './support/traces.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const ID = 'damaged';
const ACCESS: ClusterAccess = {
  revision: 1,
  databases: [{ name: 'kept', owner: 'app_rw_kept' }],
  roles: [{ name: 'app_rw_kept', database: 'kept', verifiers: [], validUntil: null }],
  tunnelUsers: [],
};

describe.skipIf(!isFull)('data that PostgreSQL cannot start with (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: KeeperProcess;
  let paths: ClusterPaths;
  const start = () => startKeeperProcess(home, undefined, { bases: { first: 0 } });
  const query = (sql: string) => queryDirectly(home, ID, sql, 'kept');

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = `${directory.path}/h`;
    paths = homePaths(home).cluster(ID);
    keeper = await start();
    await keeper.engine.createCluster(ID, SPEC);
    await untilReady(keeper.engine, ID);
    await keeper.engine.applyAccess(ID, ACCESS);
    await query('create table public.numbers (n serial primary key)');
    await eventually('a base', async () => (await keeper.engine.restoreWindow(ID))?.earliest);
  }, GENEROUS);

  afterAll(async () => {
    await keeper.kill('SIGTERM');
    await directory.remove();
  }, GENEROUS);

  /** Adds a row, durably, and gives the number of them. */
  async function add(): Promise<number> {
    await query('insert into public.numbers default values');
    return count();
  }

  async function count(): Promise<number> {
    return ((await query('select count(*)::int as rows from public.numbers')) as { rows: number }[])[0]!.rows;
  }

  /** Ends the segment, and waits until it is archived. */
  async function archiveAll(): Promise<void> {
    await query('select txid_current()');
    const rows = (await query('select pg_walfile_name(pg_switch_wal()) as name')) as { name: string }[];
    await eventually('the archived log', async () => existsSync(`${paths.archive}/${rows[0]!.name}.sealed`));
  }

  async function killServer(): Promise<void> {
    for (const { pid } of (await processesOf(home, ID)).servers) process.kill(pid, 'SIGKILL');
  }

  async function rebuilds(): Promise<EngineEvent[]> {
    const { events } = await keeper.engine.events(null, 0);
    return events.filter(({ type }) => type === 'cluster-rebuilt');
  }

  /** The sentence of the next rebuild, once the cluster is ready again. */
  async function rebuilt(before: number): Promise<string> {
    const told = await eventually('the event', async () => {
      const events = await rebuilds().catch(() => []);
      return events.length > before ? events : null;
    });
    await untilReady(keeper.engine, ID);
    return (told.at(-1) as { what: string }).what;
  }

  test(
    'is rebuilt with every acknowledged row, wherever the keeper is killed meanwhile, and can be restored from before',
    async () => {
      const { gateway } = await untilReady(keeper.engine, ID);
      await add();
      await archiveAll();
      const before = await add();
      await rm(`${paths.data}/global/pg_control`);
      await killServer();
      for (const milliseconds of [600, 1500, 300, 700, 1200]) {
        await sleep(milliseconds);
        await keeper.kill('SIGKILL');
        keeper = await start();
      }
      const what = await rebuilt(0);
      expect(what).toMatch(/could not find the database system.*since, the last commit of which.*nothing that was ack/);
      expect(await count()).toBe(before);
      const after = await untilReady(keeper.engine, ID);
      expect(after.gateway).toEqual(gateway);
      const { servers, gateways } = await processesOf(home, ID);
      expect([servers.length, gateways.length]).toEqual([1, 1]);
      expect(await readFile(`${paths.data}/postgresql.conf`, 'utf8')).not.toContain('restore_command');
      expect(await readdir(paths.broken)).toHaveLength(1);
      expect(existsSync(paths.walStage)).toBe(false);

      await add();
      const origin = { clusterId: ID, moment: '', renames: { databases: [], roles: [] } };
      origin.moment = (await keeper.engine.restoreWindow(ID))!.latest!;
      await keeper.engine.createCluster('later', { ...SPEC, origin });
      await untilReady(keeper.engine, 'later');
      const rows = await queryDirectly(home, 'later', 'select count(*)::int as rows from public.numbers', 'kept');
      expect(rows).toEqual([{ rows: before + 1 }]);
      await keeper.engine.destroyCluster('later');
    },
    GENEROUS,
  );

  test(
    'is rebuilt up to the end of the archive when its own log is gone, and that is said',
    async () => {
      await add();
      await archiveAll();
      const archived = await count();
      await add();
      const told = (await rebuilds()).length;
      await rm(`${paths.data}/global/1262`);
      await rm(`${paths.data}/pg_wal`, { recursive: true });
      await killServer();
      expect(await rebuilt(told)).toMatch(/What was committed after that and had not been archived is lost/);
      expect(await count()).toBe(archived);
      expect(await add()).toBe(archived + 1);
    },
    GENEROUS,
  );

  test(
    'is rebuilt, too, when the server starts and lets nobody in',
    async () => {
      const before = await add();
      const told = (await rebuilds()).length;
      await rm(`${paths.data}/global/pg_filenode.map`);
      await killServer();
      expect(await rebuilt(told)).toContain('global/pg_filenode.map');
      expect(await count()).toBe(before);
    },
    GENEROUS,
  );

  test(
    'is left alone where something else may be the reason',
    async () => {
      const before = await add();
      const told = (await rebuilds()).length;
      const closed = `${paths.data}/global/pg_filenode.map`;
      await chmod(closed, 0o000);
      await killServer();
      await eventually('many attempts', async () => {
        const log = await readFile(paths.postgresLog, 'utf8');
        return log.split('pg_filenode.map": Permission denied').length > 5;
      });
      expect(JSON.parse(await readFile(paths.record, 'utf8'))).toMatchObject({ rebuild: null });
      await chmod(closed, 0o600);
      await untilReady(keeper.engine, ID);
      expect(await count()).toBe(before);
      expect(await rebuilds()).toHaveLength(told);
    },
    GENEROUS,
  );

  test(
    'keeps no moment from being restored while the server is down, the last one included',
    async () => {
      await archiveAll();
      const clock = `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`;
      const before = await add();
      const [row] = (await query(clock)) as { at: string }[];
      await add();
      const control = `${paths.data}/global/pg_control`;
      await chmod(control, 0o000);
      await killServer();
      await eventually('the trouble', async () =>
        (await keeper.engine.cluster(ID))?.detail.includes('Permission denied'),
      );
      const { latest } = (await keeper.engine.restoreWindow(ID))!;
      for (const [id, moment, rows] of [
        ['between', row!.at, before],
        ['lastone', latest!, before + 1],
      ] as const) {
        const origin = { clusterId: ID, moment, renames: { databases: [], roles: [] } };
        await keeper.engine.createCluster(id, { ...SPEC, origin });
        await untilReady(keeper.engine, id);
        const found = await queryDirectly(home, id, 'select count(*)::int as rows from public.numbers', 'kept');
        expect(found).toEqual([{ rows }]);
        expect(existsSync(homePaths(home).cluster(id).walLeft)).toBe(false);
        await keeper.engine.destroyCluster(id);
      }
      await chmod(control, 0o600);
      await untilReady(keeper.engine, ID);
      expect(await count()).toBe(before + 1);
    },
    GENEROUS,
  );

  test(
    'is gone with the cluster when that is destroyed',
    async () => {
      await keeper.engine.destroyCluster(ID);
      expect(await tracesOf(home, ID)).toEqual([]);
    },
    GENEROUS,
  );
});
