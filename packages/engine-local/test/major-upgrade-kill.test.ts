import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresMajor } from '@borealis/contract';
import { cacheDirectory } from '@borealis/postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ClusterPaths, homePaths, ofEra, ofNode } from '../src/home/paths.js';
import { GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { endOf, upgradeOf } from './support/majors.js';
import { APP, appAccess, KEY } from './support/minor-app.js';
import { startStubbornWriter } from './support/stubborn-writer.js';
import { queryDirectly } from './support/superuser.js';
import { tracesOf } from './support/traces.js';
import { type OpenTunnel, openTunnel } from './support/tunnel.js';

/** All of this takes long. */
const fullTest = test.skipIf(process.env.BOREALIS_TEST !== 'full');

const ID = 'majorkill';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let keeper: KeeperProcess;
let tunnel: OpenTunnel;

beforeAll(async () => {
  if (process.env.BOREALIS_TEST !== 'full') return;
  directory = await temporaryDirectory();
  home = join(directory.path, 'home');
  keeper = await start();
  await keeper.engine.createCluster(ID, { ...SPEC, major: '15' });
  const { gateway } = await untilReady(keeper.engine, ID);
  await keeper.engine.applyAccess(ID, await appAccess());
  tunnel = await openTunnel(ID, gateway!, 'minors', KEY.private);
}, GENEROUS);

afterAll(async () => {
  tunnel?.close();
  await keeper?.kill('SIGTERM');
  await directory?.remove();
}, GENEROUS);

const start = () => startKeeperProcess(home, undefined, { cacheDir: cacheDirectory() });

interface Known {
  era: number;
  primary: number;
  major: { stage: string } | null;
  lastMajor: { request: string } | null;
}

const record = () => JSON.parse(readFileSync(homePaths(home).cluster(ID).record, 'utf8')) as Known;

function pathsNow(): ClusterPaths {
  const { era, primary } = record();
  return ofNode(ofEra(homePaths(home).cluster(ID), era), primary);
}

const inStage = (stage: string) => record().major?.stage === stage;
/** The sessions are held, and nobody is let in but the keeper. */
const isClosed = () => !/tenant|app\|p\|di|app_rw/.test(readFileSync(join(pathsNow().data, 'pg_hba.conf'), 'utf8'));

/** Kills the keeper so long after it has come so far, or when the upgrade has an end already, and starts the next. */
async function killWhen(request: string, isThere: () => boolean, delay: number): Promise<void> {
  const end = Date.now() + GENEROUS;
  while (!isThere() && record().lastMajor?.request !== request) {
    if (Date.now() > end) throw new Error('the upgrade never came so far');
    await sleep(1);
  }
  await sleep(delay);
  await keeper.kill('SIGKILL');
  keeper = await start();
  await untilReady(keeper.engine, ID);
}

const expectMajor = async (major: PostgresMajor) => {
  const { spec } = await untilReady(keeper.engine, ID);
  expect(spec.major).toBe(major);
  const [found] = await queryDirectly(home, ID, 'show server_version_num');
  expect(found).toEqual({ server_version_num: expect.stringMatching(new RegExp(`^${major}`)) });
};

const UPGRADES = [
  {
    major: '16',
    moments: [
      [() => inStage('rehearsing'), 2000],
      [() => inStage('copying'), 500],
      [() => inStage('copying'), 2000],
      [() => inStage('switching'), 0],
      [isClosed, 0],
      [() => inStage('concluding'), 0],
    ],
  },
  {
    major: '17',
    moments: [
      [() => inStage('copying'), 4000],
      [isClosed, 60],
      [isClosed, 200],
      [() => inStage('concluding'), 60],
      [() => inStage('concluding'), 0],
    ],
  },
] as const;

fullTest(
  'a keeper killed at any moment of an upgrade converges to one primary of the next major, and no acknowledged row is lost',
  async () => {
    const writer = await startStubbornWriter(tunnel, APP);
    try {
      for (const { major, moments } of UPGRADES) {
        const request = `kill-on-the-way-to-${major}`;
        const begun = upgradeOf(() => keeper.engine, ID, request, major);
        begun.catch(() => undefined);
        for (const [isThere, delay] of moments) await killWhen(request, isThere, delay);
        expect(await begun).toMatchObject({ state: 'done' });
        await expectMajor(major);
        await writer.more(3);
      }
    } finally {
      await writer.stop();
    }
    const rows = (await queryDirectly(home, ID, 'select n from written', APP.database)) as { n: number }[];
    const there = new Set(rows.map(({ n }) => n));
    expect(writer.acknowledged.filter((n) => !there.has(n))).toEqual([]);
  },
  6 * GENEROUS,
);

fullTest(
  'a keeper killed while an upgrade is undone leaves no trace of it',
  async () => {
    const { era } = record();
    const next = ofEra(homePaths(home).cluster(ID), era + 1);
    const request = 'cancelled-and-killed';
    const ask = () =>
      keeper.engine.upgradeMajor(ID, { request, major: '18', patienceSeconds: 60 }).catch(() => undefined);
    await ask();
    await killWhen(request, () => inStage('copying') && existsSync(next.data), 1500);
    await keeper.engine.cancelMajorUpgrade(ID, request);
    await killWhen(request, () => inStage('undoing'), 100);
    expect(await endOf(() => keeper.engine.cancelMajorUpgrade(ID, request))).toMatchObject({ state: 'cancelled' });
    expect(existsSync(next.eraDirectory)).toBe(false);
    const traces = `select slot_name::text as name from pg_replication_slots where slot_name ~ '^upgrade_'
      union all select evtname from pg_event_trigger where evtname ~ 'upgrade'`;
    expect((await queryDirectly(home, ID, "select from pg_namespace where nspname = 'major_upgrade'")).length).toBe(0);
    const left = (await queryDirectly(home, ID, traces, APP.database)) as { name: string }[];
    expect(left).toEqual([]);
    await keeper.engine.destroyCluster(ID);
    expect(await tracesOf(home, ID)).toEqual([]);
  },
  4 * GENEROUS,
);
