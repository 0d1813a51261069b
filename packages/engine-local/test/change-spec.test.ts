import { readFile } from 'node:fs/promises';
import type { ClusterState } from '@borealis/engine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { homePaths } from '../src/home/paths.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { queryDirectly } from './support/superuser.js';

const ID = 'sized';
const LARGE = { ...SPEC, vcpu: 2, memoryGiB: 4, storageGiB: 100 };

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let keeper: KeeperProcess;

beforeAll(async () => {
  directory = await temporaryDirectory();
  home = `${directory.path}/home`;
  keeper = await startKeeperProcess(home);
  await keeper.engine.createCluster(ID, SPEC);
  await untilReady(keeper.engine, ID);
  await queryDirectly(home, ID, 'create table kept as select 42 as answer');
}, GENEROUS);

afterAll(async () => {
  await keeper.engine.destroyCluster(ID);
  await keeper.kill('SIGTERM');
  await directory.remove();
}, GENEROUS);

function untilChanged(): Promise<ClusterState> {
  return eventually('the change is through', async () => {
    const state = await keeper.engine.cluster(ID).catch(() => null);
    return state?.phase === 'ready' && state.specInForce ? state : null;
  });
}

/** Settings of the running server, one that a reload brings in and two that need a restart. */
async function settings(): Promise<unknown> {
  const sql = `select current_setting('work_mem') as work_mem, current_setting('shared_buffers') as shared_buffers,
    current_setting('max_connections')::int as max_connections`;
  return (await queryDirectly(home, ID, sql))[0];
}

const SMALL_SETTINGS = { work_mem: '4MB', shared_buffers: '64MB', max_connections: 60 };
const LARGE_SETTINGS = { work_mem: '8MB', shared_buffers: '512MB', max_connections: 120 };

test(
  'a cluster gets the memory of a larger size with all that is in it, and goes back',
  async () => {
    await keeper.engine.changeCluster(ID, LARGE);
    expect((await untilChanged()).spec).toEqual(LARGE);
    expect(await settings()).toEqual(LARGE_SETTINGS);
    expect(await queryDirectly(home, ID, 'select answer from kept')).toEqual([{ answer: 42 }]);
    await keeper.engine.changeCluster(ID, SPEC);
    await untilChanged();
    expect(await settings()).toEqual(SMALL_SETTINGS);
  },
  GENEROUS,
);

test(
  'more storage alone interrupts nobody',
  async () => {
    const started = () => queryDirectly(home, ID, 'select pg_postmaster_start_time()::text as at');
    const before = await started();
    await keeper.engine.changeCluster(ID, { ...SPEC, storageGiB: 500 });
    expect((await untilChanged()).spec.storageGiB).toBe(500);
    expect(await started()).toEqual(before);
  },
  GENEROUS,
);

test(
  'a size that the server does not start in is taken back, and it serves in the former one',
  async () => {
    await keeper.engine.changeCluster(ID, LARGE);
    await untilChanged();
    // More than the smaller size has connections: PostgreSQL refuses to start.
    await queryDirectly(home, ID, 'alter system set superuser_reserved_connections = 70');
    await keeper.engine.changeCluster(ID, SPEC);
    const state = await untilChanged();
    expect(state).toMatchObject({
      spec: LARGE,
      changeFailure: expect.stringMatching(/superuser_reserved_connections/),
    });
    expect(await settings()).toEqual(LARGE_SETTINGS);
    expect(await queryDirectly(home, ID, 'select answer from kept')).toEqual([{ answer: 42 }]);
    await queryDirectly(home, ID, 'alter system reset superuser_reserved_connections');
    await keeper.engine.changeCluster(ID, LARGE);
    expect((await keeper.engine.cluster(ID))?.changeFailure).toBeNull();
  },
  GENEROUS,
);

test.skipIf(process.env.BOREALIS_TEST !== 'full')(
  'a keeper that is killed in the middle is followed by one that brings the change to its end',
  async () => {
    const record = async () => JSON.parse(await readFile(homePaths(home).cluster(ID).record, 'utf8'));
    for (const [spec, expected] of [
      [SPEC, SMALL_SETTINGS],
      [LARGE, LARGE_SETTINGS],
    ] as const) {
      await keeper.engine.changeCluster(ID, spec);
      await keeper.kill('SIGKILL');
      keeper = await startKeeperProcess(home);
      expect((await untilChanged()).spec).toEqual(spec);
      expect(await settings()).toEqual(expected);
      expect(await record()).toMatchObject({ spec, change: null });
    }
  },
  GENEROUS,
);
