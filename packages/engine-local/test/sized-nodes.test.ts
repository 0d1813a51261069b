import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { killNode, nodesOf, queryNode, untilProtected, Writer } from './support/nodes.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const LARGE = { ...SPEC, vcpu: 2, memoryGiB: 4, storageGiB: 100 };
const CONNECTIONS = `select current_setting('max_connections')::int as n`;

// A standby with less than its primary reads no further on from 14 on, and ends on 13.
describe.skipIf(!isFull).each(['13', '16', '18'] as const)('nodes of PostgreSQL %s (in the full suite)', (major) => {
  const id = `sized${major}`;
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: KeeperProcess;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = `${directory.path}/h`;
    keeper = await startKeeperProcess(home);
    await keeper.engine.createCluster(id, { ...SPEC, major, nodes: 2 });
    await untilReady(keeper.engine, id);
    await untilProtected(home, id);
    await queryNode(home, id, 1, 'create table written (n int primary key)');
  }, GENEROUS);

  afterAll(async () => {
    await keeper.engine.destroyCluster(id);
    await keeper.kill('SIGTERM');
    await directory.remove();
  }, GENEROUS);

  async function change(size: typeof SPEC): Promise<void> {
    await keeper.engine.changeCluster(id, { ...size, major, nodes: 2 });
    await eventually('the change is through', async () => {
      const state = await keeper.engine.cluster(id).catch(() => null);
      return state?.phase === 'ready' && state.specInForce;
    });
  }

  /** Both have so many connections, and the standby reads what the primary writes. */
  async function expectConnections(n: number): Promise<void> {
    const { primary, standbys } = await untilProtected(home, id);
    const standby = standbys[0]!.node;
    for (const node of [primary, standby]) expect(await queryNode(home, id, node, CONNECTIONS)).toEqual([{ n }]);
    const [row] = (await queryNode(home, id, primary, 'select pg_current_wal_flush_lsn() as at')) as { at: string }[];
    const isThere = `select pg_last_wal_replay_lsn() >= '${row!.at}'::pg_lsn as is`;
    await eventually('the log on the standby', async () => {
      const [found] = (await queryNode(home, id, standby, isThere)) as { is: boolean }[];
      return found!.is;
    });
  }

  test(
    'get another size one after the other, and take over in it',
    async () => {
      const writer = new Writer(home, id);
      try {
        await writer.more(20);
        await change(LARGE);
        await expectConnections(120);
        const { primary: old } = await untilProtected(home, id);
        await killNode(home, id, old);
        await eventually('the other primary', async () => (await nodesOf(home, id)).primary !== old);
        await writer.more(20);
        await expectConnections(120);
        await change(SPEC);
        await expectConnections(60);
        await writer.more(20);
      } finally {
        expect(await writer.lost()).toEqual([]);
      }
    },
    GENEROUS,
  );
});
