import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { homePaths, ofNode } from '../src/home/paths.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { killNode, nodesOf, queryNode, untilProtected, Writer } from './support/nodes.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const ID = 'three';
const NODES = [1, 2, 3];

// One cluster of three nodes; each test breaks something of it and finds it whole again.
describe.skipIf(!isFull)('a cluster with two standbys (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: KeeperProcess;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = `${directory.path}/h`;
    keeper = await startKeeperProcess(home);
    await keeper.engine.createCluster(ID, { ...SPEC, nodes: 3 });
    await untilReady(keeper.engine, ID);
    await untilAllProtected();
    await queryNode(home, ID, 1, 'create table written (n int primary key)');
  }, GENEROUS);

  afterAll(async () => {
    await keeper.engine.destroyCluster(ID);
    await keeper.kill('SIGTERM');
    await directory.remove();
  }, GENEROUS);

  const untilAllProtected = () =>
    eventually('two standbys that have everything', async () => {
      const nodes = await untilProtected(home, ID);
      return nodes.standbys.length === 2 ? nodes : null;
    });

  /** Runs `work` while a client writes; nothing that it was told is safe may be missing afterwards. */
  async function whileWriting(work: (writer: Writer) => Promise<void>, what = ''): Promise<void> {
    const writer = new Writer(home, ID);
    try {
      await writer.more(20);
      await work(writer);
      await writer.more(20);
    } finally {
      expect(await writer.lost(), what).toEqual([]);
    }
  }

  /** The types of what was told of protection since `cursor`. */
  async function eventsSince(cursor: string | null): Promise<string[]> {
    const { events } = await keeper.engine.events(cursor, 0);
    return events.map(({ type }) => type).filter((type) => type.startsWith('protection-'));
  }
  const cursorNow = async () => (await keeper.engine.events(null, 0)).cursor;

  async function expectOnePrimary(): Promise<void> {
    const { primary } = await nodesOf(home, ID);
    for (const node of NODES)
      expect(await queryNode(home, ID, node, 'select pg_is_in_recovery() as is')).toEqual([{ is: node !== primary }]);
  }

  test(
    'has every commit on all of them, and stays protected when it loses one standby',
    async () => {
      const before = await untilAllProtected();
      const states = await queryNode(home, ID, before.primary, 'select distinct sync_state from pg_stat_replication');
      expect(states).toEqual([{ sync_state: 'sync' }]);
      const cursor = await cursorNow();
      await whileWriting(async (writer) => {
        await killNode(home, ID, before.standbys[0]!.node);
        await writer.more(50);
        await untilAllProtected();
      });
      expect(await eventsSince(cursor)).toEqual([]);
    },
    GENEROUS,
  );

  test(
    'serves without both, which may take over once they have everything',
    async () => {
      const { primary, standbys } = await untilAllProtected();
      for (const { node } of standbys) await killNode(home, ID, node);
      // Either they were lost for commits first, or they were back before one waited too long for them: both end with this.
      await queryNode(home, ID, primary, 'insert into written values (-1)');
      expect((await untilAllProtected()).primary).toBe(primary);
      for (const { node } of standbys)
        await eventually('the row', async () => {
          const rows = await queryNode(home, ID, node, 'select n from written where n = -1').catch(() => []);
          return rows.length === 1;
        });
    },
    GENEROUS,
  );

  test(
    'has one of them take over, and the other one follows it with the data that it has',
    async () => {
      const { primary: old, generation } = await untilAllProtected();
      // Beside the data of each: it goes when that is made anew.
      for (const node of NODES) await writeFile(markOf(node), '');
      await whileWriting(async () => {
        await killNode(home, ID, old);
        await eventually('the other primary', async () => (await nodesOf(home, ID)).generation > generation);
      });
      await untilAllProtected();
      await expectOnePrimary();
      expect(NODES.filter((node) => !existsSync(markOf(node)))).toEqual([old]);
    },
    GENEROUS,
  );

  const markOf = (node: number) => `${ofNode(homePaths(home).cluster(ID), node).postgres}/mark`;

  test(
    'has another primary when one is asked for',
    async () => {
      const { primary: old } = await untilAllProtected();
      await whileWriting(async () => {
        await keeper.engine.replacePrimary(ID, 'planned');
      });
      expect((await untilAllProtected()).primary).not.toBe(old);
      await expectOnePrimary();
    },
    GENEROUS,
  );

  test(
    'converges with the keeper killed at any moment of a failover',
    async () => {
      for (const milliseconds of [0, 150, 400]) {
        const { primary: old } = await untilAllProtected();
        await whileWriting(async (writer) => {
          await killNode(home, ID, old);
          await sleep(milliseconds);
          await keeper.kill('SIGKILL');
          keeper = await startKeeperProcess(home);
          await writer.more(20);
        }, `killed after ${milliseconds} ms`);
        await untilAllProtected();
        await expectOnePrimary();
      }
    },
    GENEROUS,
  );

  test(
    'takes a primary and a standby that die together',
    async () => {
      const { primary: old, standbys } = await untilAllProtected();
      await whileWriting(async (writer) => {
        await Promise.all([killNode(home, ID, standbys[0]!.node), killNode(home, ID, old)]);
        await writer.more(20);
      });
      await untilAllProtected();
      await expectOnePrimary();
    },
    GENEROUS,
  );
});
