import { expect, test } from 'vitest';
import { z } from 'zod';
import { type Alert, defineStrand, done, go, nap } from '../src/index.js';
import { addon } from './support/addon.js';
import { until, useDatabase } from './support/harness.js';

const fresh = useDatabase();

test('a flaky label is retried with its count of tries kept, and its errors stand in the log', async () => {
  const { pool, worker, log } = await fresh();
  const seen: number[] = [];
  const kind = addon(async (tries) => {
    seen.push(tries);
    if (tries < 2) throw new Error(`flaky ${tries}`);
  });
  const strands = worker([kind]);
  await strands.spawn(pool, kind, 'a1', { checks: 0 });
  strands.start();
  await until(async () => (await strands.describe('a1'))?.label === 'idle', 'idle');
  expect(seen).toEqual([0, 1, 2]);
  expect((await log('a1')).slice(0, 3).map((line) => [line.outcome, line.error])).toEqual([
    ['failed', 'flaky 0'],
    ['failed', 'flaky 1'],
    ['go', null],
  ]);
  expect(await strands.describe('a1')).toMatchObject({ tries: 0, error: null });
});

test('after its last try a strand is parked and the operator is told; retry wakes it', async () => {
  const { pool, worker } = await fresh();
  let broken = true;
  const alerts: Alert[] = [];
  const kind = addon(async () => {
    if (broken) throw new Error('no disk\0 space');
  });
  const strands = worker([kind], { onAlert: (alert) => void alerts.push(alert) });
  await strands.spawn(pool, kind, 'a1', { checks: 2 });
  const outcomes = [];
  for (let n = 0; n < 3; n++) outcomes.push((await strands.step('a1'))?.outcome);
  expect(outcomes).toEqual(['failed', 'failed', 'parked']);
  expect(await strands.step('a1')).toBeNull();
  expect(await strands.describe('a1')).toMatchObject({ parked: true, tries: 3, error: 'no disk space' });
  await until(() => alerts.length > 0, 'alert');
  expect(alerts).toMatchObject([{ id: 'a1', reason: 'parked', label: 'create', error: 'no disk space' }]);
  broken = false;
  expect(await strands.retry('a1')).toBe(true);
  expect(await strands.retry('a1')).toBe(false);
  expect(await strands.step('a1')).toMatchObject({ outcome: 'go' });
});

test('an error that says so parks at once, one that says the opposite never does', async () => {
  const { pool, worker } = await fresh();
  const kind = addon(async () => {
    throw Object.assign(new Error('busy'), { retryable: true });
  });
  const stubborn = worker([kind]);
  await stubborn.spawn(pool, kind, 'a1', { checks: 0 });
  for (let n = 0; n < 6; n++) expect(await stubborn.step('a1')).toMatchObject({ outcome: 'failed' });
  const hopeless = worker([
    addon(async () => {
      throw Object.assign(new Error('unsupported'), { retryable: false });
    }),
  ]);
  await hopeless.spawn(pool, kind, 'a2', { checks: 0 });
  expect(await hopeless.step('a2')).toMatchObject({ outcome: 'parked', error: 'unsupported' });
});

test('a failing row write is a failure of its label: nothing of it is kept, other strands go on', async () => {
  const { pool, worker, log } = await fresh();
  await pool.query('create table note (id text)');
  const kind = defineStrand<{ bad: boolean }>()({
    name: 'writer',
    frame: z.object({ bad: z.boolean() }),
    start: 'write',
    labels: {
      write: {
        sentence: 'Writing',
        maxTries: 2,
        run: async ({ strandId, frame }) =>
          go('end', {}, async (db) => {
            await db.query('insert into note values ($1)', [strandId]);
            if (frame.bad) await db.query('select 1/0');
          }),
      },
      end: { sentence: 'Ending', run: async () => done() },
    },
  });
  const strands = worker([kind]);
  await strands.spawn(pool, kind, 'bad', { bad: true });
  await strands.spawn(pool, kind, 'good', { bad: false });
  strands.start();
  await until(async () => (await strands.describe('bad'))?.parked === true, 'parked');
  await until(async () => (await strands.describe('good')) === null, 'done');
  expect((await log('bad')).map((line) => [line.outcome, line.error])).toEqual([
    ['failed', 'division by zero'],
    ['parked', 'division by zero'],
  ]);
  expect((await pool.query('select id from note')).rows).toEqual([{ id: 'good' }]);
  expect(pool.waitingCount).toBe(0);
});

test('a frame that the schema refuses is never stored', async () => {
  const { pool, worker } = await fresh();
  const kind = defineStrand<{ count: number }>()({
    name: 'counter',
    frame: z.object({ count: z.number() }),
    start: 'count',
    labels: { count: { sentence: 'Counting', run: async () => nap(1, { count: Number.NaN }) } },
  });
  const strands = worker([kind]);
  await strands.spawn(pool, kind, 'c1', { count: 1 });
  expect(await strands.step('c1')).toMatchObject({ outcome: 'parked' });
  expect((await pool.query('select frame from strands.strand')).rows).toEqual([{ frame: { count: 1 } }]);
});

test('a label or a frame that this version does not know parks the strand with a sentence; destroy still wins', async () => {
  const { pool, worker } = await fresh();
  const strands = worker([addon()]);
  for (const id of ['label', 'frame', 'proto']) await strands.spawn(pool, addon(), id, { checks: 0 });
  await pool.query(`update strands.strand set label = 'migrate' where id = 'label'`);
  await pool.query(`update strands.strand set label = 'toString' where id = 'proto'`);
  await pool.query(`update strands.strand set frame = '{"checks": "secret"}' where id = 'frame'`);
  for (const id of ['label', 'frame', 'proto']) await strands.step(id);
  expect(await strands.describe('label')).toMatchObject({
    parked: true,
    sentence: 'In a state that this version does not know: migrate',
    error: 'This version of the service knows no label "migrate" of "addon".',
  });
  expect(await strands.describe('proto')).toMatchObject({ parked: true });
  expect(await strands.describe('frame')).toMatchObject({
    parked: true,
    error: 'The stored data of this strand does not fit "addon": checks.',
  });
  await strands.signal(pool, 'label', 'destroy');
  expect(await strands.step('label')).toMatchObject({ outcome: 'destroy', next: 'remove' });
});

test('a label that is not left in time raises an alert, once an hour over all workers', async () => {
  const { pool, worker } = await fresh();
  const alerts: Alert[] = [];
  const kind = defineStrand<object>()({
    name: 'slow',
    frame: z.object({}),
    start: 'wait',
    labels: { wait: { sentence: 'Waiting', deadlineSeconds: 60, run: async () => nap(3600) } },
  });
  const options = { leaseSeconds: 0.3, onAlert: (alert: Alert) => void alerts.push(alert) };
  const workers = [worker([kind], options), worker([kind], options)];
  for (const id of ['late', 'later', 'early']) await workers[0]!.spawn(pool, kind, id, {});
  await pool.query(`update strands.strand set label_since = now() - interval '61 seconds' where id <> 'early'`);
  for (const strands of workers) strands.start();
  await until(() => alerts.length >= 2, 'both alerts');
  await pool.query(`update strands.strand set alerted_at = now() - interval '61 minutes' where id = 'late'`);
  await until(() => alerts.length >= 3, 'repeated');
  for (const strands of workers) await strands.stop();
  expect(alerts.map((alert) => `${alert.id} ${alert.reason}`).sort()).toEqual([
    'late deadline',
    'late deadline',
    'later deadline',
  ]);
});
