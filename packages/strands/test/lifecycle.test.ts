import pg from 'pg';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineStrand, done, go } from '../src/index.js';
import { addon } from './support/addon.js';
import { gate, type Harness, until, useDatabase } from './support/harness.js';

const fresh = useDatabase();

const steps = async ({ log }: Harness, id: string) => (await log(id)).map((line) => `${line.label} ${line.outcome}`);

test('runs from start to idle, handles a signal, and is gone after destroy', async () => {
  const db = await fresh();
  const strands = db.worker([addon()]);
  await strands.spawn(db.pool, addon(), 'a1', { checks: 0 });
  expect(await strands.describe('a1')).toMatchObject({ label: 'create', sentence: 'Creating the cluster', tries: 0 });
  strands.start();
  await until(async () => (await steps(db, 'a1')).at(-1) === 'idle nap', 'idle');
  const { rows } = await db.pool.query(`select frame from strands.strand where id = 'a1'`);
  expect(rows[0].frame).toEqual({ cluster: 'c-a1', checks: 2 });
  expect(await strands.signal(db.pool, 'a1', 'rotate')).toBe(true);
  await until(async () => (await steps(db, 'a1')).slice(-2).join() === 'rotate go,idle nap', 'rotated');
  expect(await strands.signal(db.pool, 'a1', 'destroy')).toBe(true);
  await until(async () => (await strands.describe('a1')) === null, 'gone');
  expect(await steps(db, 'a1')).toEqual([
    ...['create go', 'wait nap', 'wait nap', 'wait go', 'idle nap'],
    ...['idle go', 'rotate go', 'idle nap'],
    ...['idle destroy', 'remove go', 'removed done'],
  ]);
  expect(await strands.signal(db.pool, 'a1', 'destroy')).toBe(false);
});

test('spawn is adopt-or-create, refuses another kind and a bad frame, and rolls back with its caller', async () => {
  const { pool, worker } = await fresh();
  const other = defineStrand<object>()({
    name: 'other',
    frame: z.object({}),
    start: 'end',
    labels: { end: { sentence: 'Ending', run: async () => done() } },
  });
  const strands = worker([addon(), other]);
  expect(await strands.spawn(pool, addon(), 'a1', { checks: 0 })).toBe(true);
  expect(await strands.spawn(pool, addon(), 'a1', { checks: 7 })).toBe(false);
  await expect(strands.spawn(pool, other, 'a1', {})).rejects.toThrow('is of the kind "addon"');
  await expect(strands.spawn(pool, addon(), 'a2', { checks: 'x' as never })).rejects.toThrow();
  await expect(worker([other]).spawn(pool, addon(), 'a3', { checks: 0 })).rejects.toThrow('not given to createStrands');
  const client = await pool.connect();
  await client.query('begin');
  await strands.spawn(client, addon(), 'a4', { checks: 0 });
  await client.query('rollback');
  client.release();
  expect((await strands.list()).map((strand) => strand.id)).toEqual(['a1']);
});

test('a step runs one label, and null says that there is nothing to run', async () => {
  const { pool, worker } = await fresh();
  const strands = worker([addon()]);
  await strands.spawn(pool, addon(), 'a1', { checks: 1 });
  expect(await strands.step('a1')).toEqual({ label: 'create', outcome: 'go', next: 'wait' });
  expect(await strands.step('a1')).toEqual({ label: 'wait', outcome: 'nap', next: 'wait' });
  expect(await strands.step('a1')).toEqual({ label: 'wait', outcome: 'go', next: 'idle' });
  expect(await strands.step('nobody')).toBeNull();
});

test('two workers run many strands, each label once', async () => {
  const { pool, worker } = await fresh();
  const begun: string[] = [];
  const kind = addon();
  const counted = {
    ...kind,
    labels: {
      ...kind.labels,
      create: {
        ...kind.labels.create,
        run: async (context: { strandId: string }) => {
          begun.push(context.strandId);
          return go<'wait', { checks: number }>('wait', { checks: 2 });
        },
      },
    },
  };
  const workers = [worker([counted], { workerId: 'A' }), worker([counted], { workerId: 'B' })];
  const ids = Array.from({ length: 60 }, (_, n) => `a${n}`);
  for (const id of ids) await workers[0]!.spawn(pool, counted, id, { checks: 0 });
  for (const strands of workers) strands.start();
  await until(async () => (await workers[0]!.list()).every((strand) => strand.label === 'idle'), 'all idle');
  expect(begun.sort()).toEqual([...ids].sort());
  const { rows } = await pool.query('select distinct worker from strands.strand_log order by 1');
  expect(rows.map((row) => row.worker)).toEqual(['A', 'B']);
});

test('stop lets the running label record its outcome and claims nothing after it', async () => {
  const db = await fresh();
  const creating = gate();
  const held = gate();
  const strands = db.worker([
    addon(() => {
      creating.open();
      return held.opened;
    }),
  ]);
  await strands.spawn(db.pool, addon(), 'a1', { checks: 0 });
  strands.start();
  await creating.opened;
  const stopped = strands.stop();
  held.open();
  await stopped;
  expect(await steps(db, 'a1')).toEqual(['create go']);
  strands.start();
  await until(async () => (await strands.describe('a1'))?.label === 'idle', 'started again');
});

test('work goes on by polling when every connection is cut, LISTEN included', async () => {
  const { pool, worker, connection } = await fresh();
  const strands = worker([addon()]);
  strands.start();
  const admin = new pg.Client(connection);
  await admin.connect();
  const cut = `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;
  await until(
    async () => ((await admin.query(`select from pg_stat_activity where query = 'listen strands'`)).rowCount ?? 0) > 0,
    'listening',
  );
  await admin.query(cut);
  await strands.spawn(admin, addon(), 'a1', { checks: 0 });
  await until(async () => (await strands.describe('a1').catch(() => null))?.label === 'idle', 'idle after the cut');
  await until(
    async () => ((await admin.query(`select from pg_stat_activity where query = 'listen strands'`)).rowCount ?? 0) > 0,
    'listening again',
  );
  await admin.end();
  expect(pool.totalCount).toBeGreaterThan(0);
});

test('migrate may run from several processes at once and again', async () => {
  const { pool, worker } = await fresh();
  await pool.query('drop schema strands cascade');
  const strands = worker([addon()]);
  await Promise.all([strands.migrate(), strands.migrate(), strands.migrate()]);
  await strands.migrate();
  expect(await strands.list()).toEqual([]);
});

test('log lines older than the retention are deleted', async () => {
  const db = await fresh();
  const strands = db.worker([addon()], { leaseSeconds: 0.3, logDays: 1 });
  await strands.spawn(db.pool, addon(), 'a1', { checks: 0 });
  await strands.step('a1');
  await strands.step('a1');
  await db.pool.query(`update strands.strand_log set at = now() - interval '25 hours' where label = 'create'`);
  strands.start();
  await until(async () => !(await steps(db, 'a1')).includes('create go'), 'trimmed');
  expect(await steps(db, 'a1')).toContain('wait nap');
});
