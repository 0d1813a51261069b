import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { homePaths } from '../src/home/paths.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { APP, appAccess, KEY } from './support/minor-app.js';
import { breakRelease, cacheOfBoth, NEWER, OLDER, outcomeOf } from './support/minors.js';
import { queryDirectly } from './support/superuser.js';
import { processesOf } from './support/traces.js';
import { type OpenTunnel, openTunnel } from './support/tunnel.js';
import { startWriter, type Writer } from './support/writer.js';

/** All of this takes long. */
const fullTest = test.skipIf(process.env.BOREALIS_TEST !== 'full');

const ID = 'minorkill';
/** In which stage of the restart, and how many milliseconds after it began. */
const MOMENTS = (['preparing', 'waiting', 'switching'] as const).flatMap((stage) =>
  [0, 60, 250].map((delay) => ({ stage, delay })),
);

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let cacheDir: string;
let keeper: KeeperProcess;
let tunnel: OpenTunnel;

beforeAll(async () => {
  if (process.env.BOREALIS_TEST !== 'full') return;
  directory = await temporaryDirectory();
  home = join(directory.path, 'home');
  cacheDir = await cacheOfBoth(directory.path);
  keeper = await start();
  await keeper.engine.createCluster(ID, SPEC);
  const { gateway } = await untilReady(keeper.engine, ID);
  await keeper.engine.applyAccess(ID, await appAccess());
  tunnel = await openTunnel(ID, gateway!, 'minors', KEY.private);
}, GENEROUS);

afterAll(async () => {
  tunnel?.close();
  await keeper?.kill('SIGTERM');
  await directory?.remove();
}, GENEROUS);

const start = () => startKeeperProcess(home, undefined, { cacheDir });
const outcome = (request: string, version: string) =>
  outcomeOf(() => keeper.engine, ID, { request, version, force: true });

interface Planned {
  version: string;
  next: { stage: string } | null;
  lastRestart: { request: string } | null;
}

const record = () => JSON.parse(readFileSync(homePaths(home).cluster(ID).record, 'utf8')) as Planned;

/** Kills the keeper so long after the upgrade has come to that stage (at once when that has an end already), and starts the next. */
async function killIn(stage: string, delay: number, request: string, version: string): Promise<void> {
  const call = keeper.engine.upgradeMinor(ID, { request, version, force: true, patienceSeconds: 60 });
  call.catch(() => undefined);
  await eventuallyQuickly(() => {
    const { next, lastRestart } = record();
    return next?.stage === stage || lastRestart?.request === request;
  });
  await sleep(delay);
  await keeper.kill('SIGKILL');
  keeper = await start();
}

/** Stages last for milliseconds. */
async function eventuallyQuickly(condition: () => boolean): Promise<void> {
  const end = Date.now() + GENEROUS / 2;
  while (!condition()) {
    if (Date.now() > end) throw new Error('the upgrade never came so far');
    await sleep(1);
  }
}

async function expectOneServer(version: string): Promise<void> {
  await untilReady(keeper.engine, ID);
  expect(await queryDirectly(home, ID, 'show server_version')).toEqual([{ server_version: version }]);
  const { servers, gateways } = await processesOf(home, ID);
  expect([servers.length, gateways.length]).toEqual([1, 1]);
}

async function expectAllWritten(writer: Writer): Promise<void> {
  expect(writer.failures).toEqual([]);
  const [found] = await queryDirectly(home, ID, 'select count(*)::int as rows from written', APP.database);
  expect(found).toEqual({ rows: writer.acknowledged });
}

fullTest(
  'a keeper killed in the middle of an upgrade converges to one server of the wanted release, and no session is lost',
  async () => {
    const writer = await startWriter(tunnel, APP);
    try {
      for (const [index, { stage, delay }] of MOMENTS.entries()) {
        const version = record().version === OLDER ? NEWER : OLDER;
        const request = `kill-in-${stage}-${index}`;
        await killIn(stage, delay, request, version);
        expect(await outcome(request, version), `${stage} ${delay}`).toMatchObject({ state: 'done', to: version });
        await expectOneServer(version);
        await writer.more(3);
      }
    } finally {
      await writer.stop();
    }
    await expectAllWritten(writer);
  },
  3 * GENEROUS,
);

fullTest(
  'a keeper killed while a release that does not start is taken back converges to the one before',
  async () => {
    const before = record().version;
    const broken = before === OLDER ? NEWER : OLDER;
    const repair = await breakRelease(cacheDir, broken);
    try {
      for (const [stage, delay] of [
        ['switching', 100],
        ['switching', 300],
        ['reverting', 0],
        ['reverting', 50],
      ] as const) {
        const request = `revert-${stage}-${delay}`;
        await killIn(stage, delay, request, broken);
        expect(await outcome(request, broken)).toMatchObject({ state: 'failed', from: before });
        await expectOneServer(before);
        await eventually('nothing is planned', async () => record().next === null);
      }
    } finally {
      await repair();
    }
  },
  3 * GENEROUS,
);
