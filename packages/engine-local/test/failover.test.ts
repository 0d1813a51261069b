import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterAccess } from '@borealis/engine';
import { isInUse } from '@borealis/postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { homePaths, ofNode } from '../src/home/paths.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { killNode, nodesOf, queryNode, signalNode, untilProtected, Writer } from './support/nodes.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const ID = 'trio';
const ACCESS: ClusterAccess = {
  revision: 1,
  databases: [{ name: 'past', owner: 'app_rw_past' }],
  roles: [{ name: 'app_rw_past', database: 'past', verifiers: [], validUntil: null }],
  tunnelUsers: [],
};
const INSERT = `insert into moments default values returning n,
  to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`;

describe.skipIf(!isFull)('failovers, one after the other (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: KeeperProcess;
  const start = () => startKeeperProcess(home, undefined, { bases: { first: 0 } });
  const primary = async () => (await nodesOf(home, ID)).primary;
  const insert = async () => ((await queryNode(home, ID, await primary(), INSERT)) as { n: number; at: string }[])[0]!;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = `${directory.path}/h`;
    keeper = await start();
    await keeper.engine.createCluster(ID, { ...SPEC, nodes: 2 });
    await untilReady(keeper.engine, ID);
    await keeper.engine.applyAccess(ID, ACCESS);
    await queryNode(home, ID, 1, 'create table moments (n serial primary key)');
    await queryNode(home, ID, 1, 'create table written (n int primary key)');
    await eventually('a base', async () => (await keeper.engine.restoreWindow(ID))?.earliest);
    await untilProtected(home, ID);
  }, GENEROUS);

  afterAll(async () => {
    await keeper.engine.destroyCluster(ID);
    await keeper.kill('SIGTERM');
    await directory.remove();
  }, GENEROUS);

  test(
    'every moment before and after one can be restored, exactly',
    async () => {
      const [one, two] = [await insert(), await insert()];
      await killNode(home, ID, await primary());
      await eventually('the other primary', async () => (await nodesOf(home, ID)).generation === 2);
      const three = await eventually('a row on it', () => insert().catch(() => null));
      const four = await insert();
      await untilProtected(home, ID);
      const expected = { before: [one.n], after: [one.n, two.n, three.n] };
      const moments = { before: two.at, after: four.at };
      for (const id of ['before', 'after'] as const) {
        const origin = { clusterId: ID, moment: moments[id], renames: { databases: [], roles: [] } };
        await keeper.engine.createCluster(id, { ...SPEC, origin });
        await untilReady(keeper.engine, id);
        const rows = (await queryNode(home, id, 1, 'select n from moments order by n')) as { n: number }[];
        expect(rows.map(({ n }) => n)).toEqual(expected[id]);
        await keeper.engine.destroyCluster(id);
      }
    },
    GENEROUS,
  );

  test(
    'a primary that hangs is replaced',
    async () => {
      const { primary: hung } = await untilProtected(home, ID);
      const writer = new Writer(home, ID);
      try {
        await writer.more(20);
        await signalNode(home, ID, hung, 'SIGSTOP');
        await eventually('the other primary', async () => (await primary()) !== hung);
        await writer.more(20);
      } finally {
        expect(await writer.lost()).toEqual([]);
      }
      await untilProtected(home, ID);
    },
    GENEROUS,
  );

  test(
    'the keeper may be killed at any moment of one',
    async () => {
      for (const milliseconds of [0, 150, 400]) {
        const { primary: old } = await untilProtected(home, ID);
        const writer = new Writer(home, ID);
        try {
          await writer.more(20);
          await killNode(home, ID, old);
          await sleep(milliseconds);
          await keeper.kill('SIGKILL');
          keeper = await start();
          await writer.more(20);
          const now = await untilProtected(home, ID);
          for (const node of [1, 2])
            expect(await queryNode(home, ID, node, 'select pg_is_in_recovery() as is')).toEqual([
              { is: node !== now.primary },
            ]);
        } finally {
          expect(await writer.lost(), `killed after ${milliseconds} ms`).toEqual([]);
        }
      }
    },
    GENEROUS,
  );

  test(
    'nodes come and go with the plan while the cluster serves',
    async () => {
      const writer = new Writer(home, ID);
      try {
        await keeper.engine.changeCluster(ID, { ...SPEC, nodes: 3 });
        await eventually('a third node', async () => (await nodesOf(home, ID)).standbys.length === 2);
        await untilProtected(home, ID);
        await keeper.engine.changeCluster(ID, SPEC);
        const { primary: last } = await eventually('one node', async () => {
          const nodes = await nodesOf(home, ID);
          return nodes.standbys.length === 0 ? nodes : null;
        });
        const others = [1, 2, 3].filter((node) => node !== last);
        for (const node of others)
          await eventually(
            `node ${node} is gone`,
            async () => !(await isInUse(ofNode(homePaths(home).cluster(ID), node).data)),
          );
        await writer.more(20);
      } finally {
        expect(await writer.lost()).toEqual([]);
      }
    },
    GENEROUS,
  );
});
