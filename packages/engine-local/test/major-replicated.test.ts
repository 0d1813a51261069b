import { join } from 'node:path';
import { cacheDirectory, fenceServer } from '@borealis/postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { homePaths, ofEra, ofNode } from '../src/home/paths.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { revertOf, upgradeOf } from './support/majors.js';
import { APP, appAccess, KEY } from './support/minor-app.js';
import { nodesOf, untilProtected } from './support/nodes.js';
import { type StubbornWriter, startStubbornWriter } from './support/stubborn-writer.js';
import { queryDirectly, queryFormer } from './support/superuser.js';
import { type OpenTunnel, openTunnel } from './support/tunnel.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const ID = 'pair';

describe.skipIf(!isFull)('a cluster of two nodes (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: KeeperProcess;
  let tunnel: OpenTunnel;
  let writer: StubbornWriter;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = join(directory.path, 'h');
    keeper = await startKeeperProcess(home, undefined, { cacheDir: cacheDirectory(), majorRevertSeconds: 3600 });
    await keeper.engine.createCluster(ID, { ...SPEC, major: '15', nodes: 2 });
    const { gateway } = await untilReady(keeper.engine, ID);
    await keeper.engine.applyAccess(ID, await appAccess());
    tunnel = await openTunnel(ID, gateway!, 'minors', KEY.private);
    writer = await startStubbornWriter(tunnel, APP);
    await untilProtected(home, ID);
  }, GENEROUS);

  afterAll(async () => {
    await writer?.stop();
    tunnel?.close();
    await keeper?.kill('SIGTERM');
    await directory?.remove();
  }, GENEROUS);

  /** That major, with a standby of it that has every commit before it is acknowledged. */
  async function expectProtected(major: string): Promise<void> {
    const { standbys } = await untilProtected(home, ID);
    expect(standbys).toHaveLength(1);
    const name = `select application_name as node, sync_state as state, split_part(current_setting('server_version'), '.', 1) as major
      from pg_stat_replication where application_name <> 'borealis_upgrade'`;
    expect(await queryDirectly(home, ID, name)).toEqual([
      { node: expect.any(String), state: expect.stringMatching(/^(sync|quorum)$/), major },
    ]);
    await writer.more(3);
  }

  test(
    'is protected again after another major and after the way back',
    async () => {
      expect(await upgradeOf(() => keeper.engine, ID, 'to-sixteen', '16')).toMatchObject({ state: 'done' });
      await expectProtected('16');
      // Those that followed the former server are gone, and it keeps no log for them.
      expect(await queryFormer(home, ID, 'select slot_name::text from pg_replication_slots')).toEqual([]);
      expect(await revertOf(() => keeper.engine, ID, 'back-to-fifteen')).toMatchObject({ state: 'done' });
      await expectProtected('15');
    },
    4 * GENEROUS,
  );

  test(
    'fails over to a standby of the next major, which is the end of the way back',
    async () => {
      expect(await upgradeOf(() => keeper.engine, ID, 'once-more-sixteen', '16')).toMatchObject({ state: 'done' });
      await expectProtected('16');
      const { era, primary } = (await nodesOf(home, ID)) as Awaited<ReturnType<typeof nodesOf>> & { era: number };
      await fenceServer(ofNode(ofEra(homePaths(home).cluster(ID), era), primary).data);
      await eventually('another primary', async () => (await nodesOf(home, ID)).primary !== primary);
      await expectProtected('16');
      const back = await revertOf(() => keeper.engine, ID, 'back-in-vain').catch(({ message }: Error) => ({ message }));
      expect(JSON.stringify(back)).toMatch(/no way back|no former server|too far behind/);
      await expectProtected('16');
    },
    4 * GENEROUS,
  );

  test('has every row that was ever acknowledged', async () => {
    await writer.stop();
    const rows = (await queryDirectly(home, ID, 'select n from written', APP.database)) as { n: number }[];
    const there = new Set(rows.map(({ n }) => n));
    expect(writer.acknowledged.filter((n) => !there.has(n))).toEqual([]);
  });
});
