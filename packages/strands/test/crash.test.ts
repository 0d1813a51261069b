import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { addon } from './support/addon.js';
import { gate, type Harness, until, useDatabase } from './support/harness.js';

const fresh = useDatabase();
let directory: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'st-'));
  await build({
    entryPoints: [new URL('support/doomed-worker.ts', import.meta.url).pathname],
    outfile: join(directory, 'worker.cjs'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['pg-native'],
    logLevel: 'error',
  });
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function startWorker({ connection }: Harness, journal: string, hang: boolean): ChildProcess {
  const argument = JSON.stringify({ connection, journal, hang });
  const child = spawn(process.execPath, [join(directory, 'worker.cjs'), argument], { stdio: 'inherit' });
  children.push(child);
  return child;
}

/** Whole lines only: a worker has made the file a moment before it has written to it. */
const lines = (journal: string) => (existsSync(journal) ? readFileSync(journal, 'utf8').split('\n').slice(0, -1) : []);

test('a worker killed inside a label is replaced when its lease ends', async () => {
  const db = await fresh();
  const journal = join(directory, 'one');
  const strands = db.worker([addon()]);
  await strands.spawn(db.pool, addon(), 'a1', { checks: 0 });
  const first = startWorker(db, journal, true);
  await until(() => lines(journal).length === 1, 'inside the label');
  expect(await strands.step('a1')).toBeNull();
  first.kill('SIGKILL');
  const second = startWorker(db, journal, false);
  await until(async () => (await strands.describe('a1'))?.label === 'idle', 'taken over');
  expect(lines(journal)).toEqual([`begin ${first.pid}`, `begin ${second.pid}`, `end ${second.pid}`]);
  expect((await db.log('a1')).filter((line) => line.label === 'create')).toHaveLength(1);
});

test('a label that kills its worker each time is parked, and destroy still leads out', async () => {
  const db = await fresh();
  const journal = join(directory, 'loop');
  const strands = db.worker([addon()]);
  await strands.spawn(db.pool, addon(), 'a1', { checks: 0 });
  for (let crash = 1; crash <= 5; crash++) {
    const worker = startWorker(db, journal, true);
    await until(() => lines(journal).length >= crash, `crash ${crash}`);
    worker.kill('SIGKILL');
    // The backoff set at the claim: the strand may not be due although its lease is over.
    const { rows } = await db.pool.query(`select run_at > leased_at as later from strands.strand`);
    expect(rows).toEqual([{ later: true }]);
    await db.timePasses('a1');
  }
  strands.start();
  await until(async () => (await strands.describe('a1'))?.parked === true, 'parked');
  expect((await strands.describe('a1'))?.error).toBe('Its worker died 5 times in a row in this label.');
  expect(lines(journal)).toHaveLength(5);
  await strands.signal(db.pool, 'a1', 'destroy');
  await until(async () => (await strands.describe('a1')) === null, 'destroyed');
});

test('a zombie past its lease is told, and its outcome is refused', async () => {
  const db = await fresh();
  const held = gate();
  let lost: AbortSignal | undefined;
  const zombieKind = addon();
  const create = zombieKind.labels.create.run;
  zombieKind.labels.create.run = async (context) => {
    lost = context.lost;
    await held.opened;
    return create(context);
  };
  const zombie = db.worker([zombieKind], { workerId: 'zombie', leaseSeconds: 0.6 });
  const healthy = db.worker([addon()], { workerId: 'healthy' });
  await zombie.spawn(db.pool, zombieKind, 'a1', { checks: 2 });
  zombie.start();
  await until(() => lost !== undefined, 'the zombie works');
  // As after a long pause of its process: the lease ran out and another worker was quicker than its next heartbeat.
  await until(async () => {
    await db.timePasses('a1');
    return (await healthy.step('a1')) !== null;
  }, 'another took it');
  await until(() => lost?.aborted === true, 'told');
  held.open();
  await zombie.stop();
  const { rows } = await db.pool.query(`select worker from strands.strand_log where label = 'create'`);
  expect(rows).toEqual([{ worker: 'healthy' }]);
});

test('a heartbeat keeps a label that takes longer than its lease', async () => {
  const db = await fresh();
  const held = gate();
  const strands = db.worker([addon(() => held.opened)], { leaseSeconds: 3 });
  const rival = db.worker([addon()], { workerId: 'rival' });
  await strands.spawn(db.pool, addon(), 'a1', { checks: 0 });
  strands.start();
  const extended = async () =>
    (await db.pool.query(`select from strands.strand where lease_until > leased_at + interval '6 seconds'`)).rowCount;
  await until(async () => (await extended()) === 1, 'extended twice');
  expect(await rival.step('a1')).toBeNull();
  held.open();
  await until(async () => (await strands.describe('a1'))?.label === 'idle', 'idle');
  expect((await db.log('a1')).filter((line) => line.label === 'create')).toHaveLength(1);
});
