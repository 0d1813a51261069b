import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { Installation, ISOLATED } from '../support/installation.js';
import { type Pause, Pauses } from '../support/pauses.js';
import { kill9, processes, withoutChildren } from '../support/processes.js';
import { RowWriter } from '../support/row-writer.js';
import { scenario } from '../support/scenario.js';
import { until } from '../support/until.js';

const APP = 'killed';
const REPLICATED = 'borealis-pg:x2-s10-p1-r1';
const SHARED = 'borealis-pg:dev';

/** So often the service looks how far a copy is before the next one is killed: otherwise nothing would ever come to its end. */
const LOOKS = 4;

type Victim = 'service' | 'keeper';

let pauses: Pauses;
let installation: Installation;
let writer: RowWriter;

// Nothing of it belongs to the default suite.
const isFull = process.env.BOREALIS_TEST === 'full';

beforeAll(async () => {
  if (!isFull) return;
  pauses = new Pauses();
  installation = await Installation.start({ env: pauses.env });
}, 300_000);

afterAll(async () => {
  await writer?.stop();
  await installation?.stop();
  pauses?.remove();
});

async function kill(victim: Victim): Promise<void> {
  kill9(await until(`a ${victim} to kill`, () => installation.pid(victim)));
}

const killAt = (moment: 'before' | 'after', label: string, victim: Victim) =>
  killHere(pauses.at(moment, label), victim);

async function killHere(stop: Pause, victim: Victim): Promise<void> {
  await stop.reached();
  await kill(victim);
  stop.release();
}

/** The one that the service comes to; the other is taken away. */
async function first(stops: Record<string, Pause>): Promise<string> {
  const found = await until('the next step', () => Object.keys(stops).find((name) => stops[name]!.isReached()), 180);
  for (const [name, stop] of Object.entries(stops)) if (name !== found) stop.release();
  return found;
}

const change = (addon: { name: string }, plan: string) =>
  installation.platform('PATCH', `/apps/${APP}/addons/${addon.name}`, { plan: { name: plan } });

/** Clusters on disk besides the service's own. */
const clusters = () => readdirSync(join(installation.home, 'clusters')).filter((id) => id !== 'control');

/** Servers, or gateways, of those. */
const running = (word: string) =>
  withoutChildren(
    processes().filter(
      ({ command }) => command.includes(installation.home) && command.includes(word) && !command.includes('control'),
    ),
  );

/** The app writes again, and what it was told to be there is there, once; and nothing that it did not write. */
async function expectEveryRow(): Promise<void> {
  const before = writer.acknowledged.length;
  await until('the app to write again', () => writer.acknowledged.length > before + 5);
  const acknowledged = [...writer.acknowledged];
  const rows = (await until('the rows', () => writer.ask<{ n: number }>('select n from kept order by n'))).map(
    ({ n }) => n,
  );
  expect(rows).toEqual([...new Set(rows)]);
  expect(acknowledged.filter((n) => !rows.includes(n))).toEqual([]);
  const written = new Set([...writer.acknowledged, ...writer.doubtful]);
  expect(rows.filter((n) => !written.has(n))).toEqual([]);
}

scenario.full(
  'a plan change in place and one to the shared cluster, with service and keeper killed at their steps',
  async () => {
    const addon = await installation.createAddon(APP, {}, ISOLATED);
    writer = new RowWriter(installation, APP);
    await until('the table', () => writer.ask('create table if not exists kept (n int)'));
    await expectEveryRow();

    const begin = pauses.at('before', 'changePlan');
    await change(addon, REPLICATED);
    await killHere(begin, 'service');
    await killAt('after', 'changePlan', 'keeper');
    await killAt('before', 'changePlan', 'keeper');
    await killAt('before', 'announcePlan', 'service');
    await killAt('after', 'announcePlan', 'service');
    await installation.untilPlan(addon, REPLICATED);
    await expectEveryRow();
    expect(clusters()).toHaveLength(1);
    await until('two servers', () => running('bin/postgres').length === 2);

    await change(addon, SHARED);
    const victims: Victim[] = ['service', 'keeper'];
    for (let look = 0; ; look++) {
      const stops = { crossPlan: pauses.at('before', 'crossPlan'), announcePlan: pauses.at('before', 'announcePlan') };
      const label = await first(stops);
      if (look % LOOKS === 0) await kill(victims[(look / LOOKS) % 2]!);
      stops[label as keyof typeof stops].release();
      if (label === 'announcePlan') break;
    }
    await killAt('after', 'announcePlan', 'service');
    await killAt('before', 'crossPlan', 'keeper');
    await killAt('after', 'crossPlan', 'service');
    await installation.untilPlan(addon, SHARED);
    await expectEveryRow();
    await until('what was left to be gone', () => clusters().length === 1 && running('gateway.cjs').length === 1, 120);
    await until('the one server', () => running('bin/postgres').length === 1);
  },
);
