import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cacheDirectory, fenceServer } from '@borealis/postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClusterPaths, homePaths, ofEra, ofNode } from '../src/home/paths.js';
import { findProcesses } from '../src/system/process-identity.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { revertOf, upgradeOf } from './support/majors.js';
import { APP, appAccess, KEY } from './support/minor-app.js';
import { startStubbornWriter } from './support/stubborn-writer.js';
import { queryDirectly, queryFormer } from './support/superuser.js';
import { type OpenTunnel, openTunnel } from './support/tunnel.js';
import { openClient } from './support/writer.js';

const ID = 'backkill';
const isFull = process.env.BOREALIS_TEST === 'full';

interface Known {
  era: number;
  primary: number;
  major: { stage: string } | null;
  lastMajor: { request: string } | null;
  former: { era: number; node: number } | null;
}

describe.skipIf(!isFull)('the way back from another major (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: KeeperProcess;
  let tunnel: OpenTunnel;
  let writer: Awaited<ReturnType<typeof startStubbornWriter>>;

  const start = () => startKeeperProcess(home, undefined, { cacheDir: cacheDirectory(), majorRevertSeconds: 3600 });
  const record = () => JSON.parse(readFileSync(homePaths(home).cluster(ID).record, 'utf8')) as Known;
  const placeOf = ({ era, node }: { era: number; node: number }): ClusterPaths =>
    ofNode(ofEra(homePaths(home).cluster(ID), era), node);
  const primaryNow = () => placeOf({ era: record().era, node: record().primary });
  const inStage = (stage: string) => () => record().major?.stage === stage;
  /** The sessions are held, and nobody is let in but the keeper. */
  const isClosed = () =>
    inStage('switching')() && !/tenant|app_rw/.test(readFileSync(join(primaryNow().data, 'pg_hba.conf'), 'utf8'));
  /** The former server has a session in the primary from which it gets what is written there. */
  const untilFed = () =>
    eventually('the former server is fed', async () => {
      const sql =
        "select pid from pg_stat_replication where application_name = 'borealis_upgrade' and state = 'streaming'";
      return (await queryDirectly(home, ID, sql).catch(() => [])).length === 1;
    });

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = join(directory.path, 'h');
    keeper = await start();
    await keeper.engine.createCluster(ID, { ...SPEC, major: '15' });
    const { gateway } = await untilReady(keeper.engine, ID);
    await keeper.engine.applyAccess(ID, await appAccess());
    tunnel = await openTunnel(ID, gateway!, 'minors', KEY.private);
    writer = await startStubbornWriter(tunnel, APP);
    expect(await upgradeOf(() => keeper.engine, ID, 'to-sixteen', '16')).toMatchObject({ state: 'done' });
  }, GENEROUS);

  afterAll(async () => {
    await writer?.stop();
    tunnel?.close();
    await keeper?.kill('SIGTERM');
    await directory?.remove();
  }, GENEROUS);

  /** Kills the keeper so long after it has come so far, or when that is over already, and starts the next. */
  async function killWhen(isThere: () => boolean, isOver: () => boolean, delay: number): Promise<void> {
    const end = Date.now() + GENEROUS;
    while (!isThere() && !isOver()) {
      if (Date.now() > end) throw new Error('it never came so far');
      await sleep(1);
    }
    await sleep(delay);
    await keeper.kill('SIGKILL');
    keeper = await start();
    await untilReady(keeper.engine, ID);
  }

  async function expectMajor(major: string): Promise<void> {
    expect((await untilReady(keeper.engine, ID)).spec.major).toBe(major);
    const [found] = await queryDirectly(home, ID, 'show server_version_num');
    expect(found).toEqual({ server_version_num: expect.stringMatching(new RegExp(`^${major}`)) });
  }

  test(
    'stays open when the keeper or either server is killed while the former one is fed',
    async () => {
      await killWhen(
        () => record().former !== null && record().major === null,
        () => false,
        0,
      );
      await killWhen(
        () => true,
        () => false,
        300,
      );
      await untilFed();
      await fenceServer(placeOf(record().former!).data);
      await untilFed();
      await fenceServer(primaryNow().data);
      await untilReady(keeper.engine, ID);
      await writer.more(3);
      await untilFed();
      // As a keeper leaves it that is killed after it has made the way back, or in a cut-over that comes to nothing.
      await queryFormer(home, ID, 'alter subscription borealis_upgrade disable', APP.database);
      await untilFed();
      await expectMajor('16');
    },
    2 * GENEROUS,
  );

  test(
    'is gone to its end by a keeper killed at any moment of it, and no acknowledged row is lost',
    async () => {
      const request = 'killed-on-the-way-back';
      const isOver = () => record().lastMajor?.request === request;
      const begun = revertOf(() => keeper.engine, ID, request);
      begun.catch(() => undefined);
      for (const [isThere, delay] of [
        [inStage('switching'), 0],
        [inStage('switching'), 400],
        [isClosed, 0],
        [isClosed, 60],
        [isClosed, 200],
        [inStage('concluding'), 0],
        [inStage('concluding'), 60],
        [() => isOver() && record().former !== null, 0],
      ] as const)
        await killWhen(isThere, isOver, delay);
      const done = await begun;
      expect(done).toMatchObject({ state: 'done', to: expect.stringMatching(/^15\./) });
      // Asked again under the same name it is not done again.
      expect(await revertOf(() => keeper.engine, ID, request)).toEqual(done);
      await expectMajor('15');
      await writer.more(3);
      await writer.stop();
      const rows = (await queryDirectly(home, ID, 'select n from written', APP.database)) as { n: number }[];
      const there = new Set(rows.map(({ n }) => n));
      expect(writer.acknowledged.filter((n) => !there.has(n))).toEqual([]);
    },
    4 * GENEROUS,
  );

  test(
    'leaves nothing of the server that was left, and one primary',
    async () => {
      await eventually('the server that was left is removed', async () => record().former === null);
      const { data } = placeOf({ era: 2, node: 1 });
      expect([existsSync(data), await findProcesses(null, data)]).toEqual([false, []]);
      expect(await queryDirectly(home, ID, LEFT, APP.database)).toEqual([]);
      const client = await openClient(tunnel, APP);
      try {
        await client.query('create table without_key as select 1 as n; update without_key set n = 2');
      } finally {
        await client.end();
      }
    },
    GENEROUS,
  );
});

/** What an upgrade, its copy and its way back are made of. */
const LEFT = `
  select slot_name::text as name from pg_replication_slots union all
  select subname::text from pg_subscription union all
  select pubname::text from pg_publication union all
  select evtname::text from pg_event_trigger where evtname ~ 'borealis_(upgrade|way)' union all
  select rolname::text from pg_roles where rolname ~ '^(applies_|p_rw_up_)'`;
