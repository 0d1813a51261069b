import { readFile, rm } from 'node:fs/promises';
import { isInUse } from '@borealis/postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ClusterPaths, homePaths, ofNode } from '../src/home/paths.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { killNode, nodesOf, queryNode, untilProtected, Writer } from './support/nodes.js';
import { tracesOf } from './support/traces.js';

// One cluster of two nodes; each test breaks something of it and finds it whole again.
const isFull = process.env.BOREALIS_TEST === 'full';
const ID = 'twins';
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let keeper: KeeperProcess;
let paths: ClusterPaths;

beforeAll(async () => {
  directory = await temporaryDirectory();
  home = `${directory.path}/h`;
  paths = homePaths(home).cluster(ID);
  keeper = await startKeeperProcess(home);
  await keeper.engine.createCluster(ID, { ...SPEC, nodes: 2 });
  await untilProtected(home, ID);
}, GENEROUS);

afterAll(async () => {
  await keeper.kill('SIGTERM');
  await directory.remove();
}, GENEROUS);

test('a commit is on both nodes when it is acknowledged, and reads go to the standby', async () => {
  await queryNode(home, ID, 1, 'create table kept as select 1 as row');
  expect(await queryNode(home, ID, 2, 'select pg_is_in_recovery() as is')).toEqual([{ is: true }]);
  await eventually('the row on the standby', async () => {
    const rows = await queryNode(home, ID, 2, 'select row from kept').catch(() => []);
    return rows.length === 1;
  });
  const config = JSON.parse(await readFile(`${paths.gateway}/gateway.json`, 'utf8')) as Record<string, unknown>;
  await eventually('reads from the standby', async () => (await nodesOf(home, ID)).reads === 2);
  expect(config.primary).toEqual({ socketDirectory: ofNode(paths, 1).socketDirectory, port: 5432 });
});

test('a standby takes over from a primary that is killed, without an acknowledged row lost, and is followed in its turn', async () => {
  await queryNode(home, ID, 1, 'create table written (n int primary key)');
  const writer = new Writer(home, ID);
  try {
    await writer.more(50);
    await killNode(home, ID, 1);
    await eventually('the other primary', async () => (await nodesOf(home, ID)).primary === 2);
    await writer.more(50);
  } finally {
    expect(await writer.lost()).toEqual([]);
  }
  const { generation, standbys } = await untilProtected(home, ID);
  expect({ generation, standbys }).toEqual({ generation: 2, standbys: [{ node: 1, role: 'eligible' }] });
  const { events } = await keeper.engine.events(null, 0);
  const types = events.map(({ type }) => type).filter((type) => type.startsWith('failover-'));
  expect(types).toEqual(['failover-started', 'failover-completed']);
});

test.skipIf(!isFull)('commits go on without the only standby, which is no heir until it has caught up', async () => {
  const { primary } = await nodesOf(home, ID);
  const [standby] = (await nodesOf(home, ID)).standbys;
  await killNode(home, ID, standby!.node);
  // Either it was lost for commits first, or it was back before one waited too long for it: both end with this.
  await queryNode(home, ID, primary, 'insert into written values (-1)');
  await untilProtected(home, ID);
  await eventually('the row on the standby', async () => {
    const rows = await queryNode(home, ID, standby!.node, 'select n from written where n = -1').catch(() => []);
    return rows.length === 1;
  });
});

test.skipIf(!isFull)('with the keeper killed nodes go on, and the next one adopts them', async () => {
  const { primary, standbys, generation } = await nodesOf(home, ID);
  const pidOf = (node: number) => readFile(`${ofNode(paths, node).data}/postmaster.pid`, 'utf8');
  const before = [await pidOf(primary), await pidOf(standbys[0]!.node)];
  await keeper.kill('SIGKILL');
  await queryNode(home, ID, primary, 'insert into written values (-2)');
  keeper = await startKeeperProcess(home);
  await untilReady(keeper.engine, ID);
  await untilProtected(home, ID);
  expect([await pidOf(primary), await pidOf(standbys[0]!.node)]).toEqual(before);
  expect((await nodesOf(home, ID)).generation).toBe(generation);
});

test.skipIf(!isFull)('a standby takes over when the data of a primary was damaged while both were down', async () => {
  const { primary, standbys } = await nodesOf(home, ID);
  const heir = standbys[0]!.node;
  await queryNode(home, ID, primary, 'insert into written values (-3)');
  await keeper.kill('SIGKILL');
  for (const node of [primary, heir]) await killNode(home, ID, node);
  await rm(`${ofNode(paths, primary).data}/global/pg_control`);
  keeper = await startKeeperProcess(home);
  await eventually('the other primary', async () => (await nodesOf(home, ID)).primary === heir);
  await untilProtected(home, ID);
  expect(await queryNode(home, ID, heir, 'select n from written where n = -3')).toEqual([{ n: -3 }]);
  const { events } = await keeper.engine.events(null, 0);
  expect(events.some(({ type }) => type === 'cluster-rebuilt')).toBe(false);
});

test('a destroy leaves nothing of any node', async () => {
  await keeper.engine.destroyCluster(ID);
  expect(await tracesOf(home, ID)).toEqual([]);
  for (const node of [1, 2]) expect(await isInUse(ofNode(paths, node).data)).toBe(false);
});
