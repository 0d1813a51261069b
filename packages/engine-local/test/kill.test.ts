import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '@borealis/engine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { processesOf, tracesOf } from './support/traces.js';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let keeper: KeeperProcess;

beforeAll(async () => {
  directory = await temporaryDirectory();
  home = `${directory.path}/home`;
  keeper = await startKeeperProcess(home);
}, GENEROUS);

afterAll(async () => {
  await keeper.kill('SIGTERM');
  await directory.remove();
}, GENEROUS);

const isFull = process.env.BOREALIS_TEST === 'full';
/** Milliseconds after the call. */
const CREATION = isFull ? [0, 30, 60, 100, 150, 220, 300, 400, 600, 900, 1200, 1800, 2400] : [0, 150, 600, 1500];
const DESTRUCTION = isFull ? [0, 10, 20, 40, 60, 90, 120, 180, 250, 400] : [0, 60, 150];

/** Kills the keeper again and again while `work` is under way, each time a little later, and starts the next. */
async function killDuring(moments: number[], work: (engine: Engine) => Promise<unknown>): Promise<void> {
  for (const milliseconds of moments) {
    const call = work(keeper.engine).catch(() => undefined);
    await sleep(milliseconds + Math.random() * 50);
    await keeper.kill('SIGKILL');
    await call;
    keeper = await startKeeperProcess(home);
  }
}

test(
  'a keeper killed at any moment of a creation converges to one PostgreSQL and one gateway',
  async () => {
    const first = await keeper.engine.createCluster('creation', SPEC);
    await killDuring(CREATION, (engine) => engine.createCluster('creation', SPEC));
    const state = await untilReady(keeper.engine, 'creation');
    expect(state.gateway).toEqual(first.gateway);
    const { servers, gateways } = await processesOf(home, 'creation');
    expect([servers.length, gateways.length]).toEqual([1, 1]);
  },
  GENEROUS,
);

test(
  'a keeper killed at any moment of a destruction leaves nothing',
  async () => {
    await killDuring(DESTRUCTION, (engine) => engine.destroyCluster('creation'));
    await keeper.engine.destroyCluster('creation');
    expect(await tracesOf(home, 'creation')).toEqual([]);
    expect(await keeper.engine.cluster('creation')).toBeNull();
  },
  GENEROUS,
);

test(
  'what is destroyed while it is being created leaves nothing',
  async () => {
    await keeper.engine.createCluster('halfway', SPEC);
    await killDuring([200], (engine) => engine.createCluster('halfway', SPEC));
    await keeper.engine.destroyCluster('halfway');
    expect(await tracesOf(home, 'halfway')).toEqual([]);
  },
  GENEROUS,
);
