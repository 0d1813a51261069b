import { expect, test } from 'vitest';
import { addon } from './support/addon.js';
import { gate, until, useDatabase } from './support/harness.js';

const fresh = useDatabase();

/** An add-on whose `idle` label stops where the test wants it, after it has read its signals. */
function gated() {
  const kind = addon();
  const idle = kind.labels.idle.run;
  let entered = gate();
  let held = gate();
  kind.labels.idle.run = async (context) => {
    const outcome = await idle(context);
    entered.open();
    await held.opened;
    return outcome;
  };
  return {
    kind,
    entered: () => entered.opened,
    letGo() {
      const release = held.open;
      entered = gate();
      held = gate();
      release();
    },
  };
}

async function atIdle() {
  const db = await fresh();
  const label = gated();
  const strands = db.worker([label.kind]);
  await strands.spawn(db.pool, label.kind, 'a1', { checks: 2 });
  await strands.step('a1');
  await strands.step('a1');
  return { ...db, label, strands };
}

const due = `select run_at <= now() as due from strands.strand where id = 'a1'`;

test('a signal raised in mid-label is not slept over', async () => {
  const { pool, label, strands } = await atIdle();
  const step = strands.step('a1');
  await label.entered();
  await strands.signal(pool, 'a1', 'rotate');
  label.letGo();
  expect(await step).toMatchObject({ outcome: 'nap' });
  expect((await pool.query(due)).rows).toEqual([{ due: true }]);
});

test('a signal whose transaction is still open when the label ends is waited for, not slept over', async () => {
  const { pool, label, strands } = await atIdle();
  const step = strands.step('a1');
  await label.entered();
  const client = await pool.connect();
  await client.query('begin');
  await strands.signal(client, 'a1', 'rotate');
  label.letGo();
  const waiting = `select from pg_stat_activity where wait_event_type = 'Lock'`;
  await until(async () => (await pool.query(waiting)).rowCount === 1, 'the outcome waits');
  await client.query('commit');
  client.release();
  await step;
  expect((await pool.query(due)).rows).toEqual([{ due: true }]);
});

test('a signal raised again while it is handled is handled again', async () => {
  const { pool, label, strands } = await atIdle();
  await strands.signal(pool, 'a1', 'rotate');
  await strands.signal(pool, 'a1', 'rotate');
  const step = strands.step('a1');
  await label.entered();
  await strands.signal(pool, 'a1', 'rotate');
  label.letGo();
  expect(await step).toMatchObject({ outcome: 'go', next: 'rotate' });
  expect((await strands.describe('a1'))?.signals).toEqual(['rotate']);
});

test('a signal rolls back with its caller', async () => {
  const { pool, strands } = await atIdle();
  const client = await pool.connect();
  await client.query('begin');
  await strands.signal(client, 'a1', 'destroy');
  await client.query('rollback');
  client.release();
  expect((await strands.describe('a1'))?.signals).toEqual([]);
});

test('destroy in mid-label waits for the label to end, then leads out', async () => {
  const { pool, label, strands } = await atIdle();
  const step = strands.step('a1');
  await label.entered();
  await strands.signal(pool, 'a1', 'destroy');
  expect(await strands.step('a1')).toBeNull();
  label.letGo();
  await step;
  expect(await strands.step('a1')).toMatchObject({ outcome: 'destroy', next: 'remove' });
  expect(await strands.step('a1')).toMatchObject({ label: 'remove', next: 'removed' });
});

test('destroy raised in the very try that would park is not parked', async () => {
  const { pool, worker } = await fresh();
  const entered = gate();
  const held = gate();
  const kind = addon(async () => {
    entered.open();
    await held.opened;
    throw Object.assign(new Error('hopeless'), { retryable: false });
  });
  const strands = worker([kind]);
  await strands.spawn(pool, kind, 'a1', { checks: 0 });
  const step = strands.step('a1');
  await entered.opened;
  await strands.signal(pool, 'a1', 'destroy');
  held.open();
  expect(await step).toMatchObject({ outcome: 'failed' });
  expect(await strands.step('a1')).toMatchObject({ outcome: 'destroy' });
});

test('destroy raised while a label says done is obeyed before the strand goes', async () => {
  const { pool, worker } = await fresh();
  const entered = gate();
  const held = gate();
  const kind = addon();
  kind.labels.create.run = async () => {
    entered.open();
    await held.opened;
    return { kind: 'done' };
  };
  const strands = worker([kind]);
  await strands.spawn(pool, kind, 'a1', { checks: 0 });
  const step = strands.step('a1');
  await entered.opened;
  await strands.signal(pool, 'a1', 'destroy');
  held.open();
  expect(await step).toMatchObject({ outcome: 'destroy', next: 'remove' });
});

test('destroy again on the way out does not start it anew, but wakes it when it is parked', async () => {
  const { pool, worker } = await fresh();
  const kind = addon();
  let broken = true;
  kind.labels.removed.run = async ({ signals }) => {
    expect(signals).toEqual([]);
    if (broken) throw Object.assign(new Error('busy'), { retryable: false });
    return { kind: 'done' };
  };
  const strands = worker([kind]);
  await strands.spawn(pool, kind, 'a1', { checks: 0 });
  await strands.signal(pool, 'a1', 'destroy');
  const results = [await strands.step('a1'), await strands.step('a1'), await strands.step('a1')];
  expect(results.map((result) => result?.outcome)).toEqual(['destroy', 'go', 'parked']);
  broken = false;
  await strands.signal(pool, 'a1', 'destroy');
  expect(await strands.step('a1')).toEqual({ label: 'removed', outcome: 'done' });
});

test('other signals do not wake a parked strand; they are kept for it', async () => {
  const { pool, worker } = await fresh();
  const kind = addon(async () => {
    throw Object.assign(new Error('hopeless'), { retryable: false });
  });
  const strands = worker([kind]);
  await strands.spawn(pool, kind, 'a1', { checks: 0 });
  await strands.step('a1');
  await strands.signal(pool, 'a1', 'rotate');
  expect(await strands.step('a1')).toBeNull();
  expect(await strands.describe('a1')).toMatchObject({ parked: true, signals: ['rotate'] });
});

test('a request that locks its own row first and a label that writes the same row do not deadlock', async () => {
  const { pool, worker } = await fresh();
  await pool.query(`create table addon as select 'a1' as id, 0 as version`);
  const kind = addon();
  kind.labels.create.run = async () => ({
    kind: 'go',
    label: 'create',
    write: async (db) => void (await db.query('update addon set version = version + 1')),
  });
  const strands = worker([kind]);
  await strands.spawn(pool, kind, 'a1', { checks: 0 });
  strands.start();
  for (let n = 0; n < 30; n++) {
    const client = await pool.connect();
    await client.query(`begin; set local deadlock_timeout = '10ms'; update addon set version = version + 1`);
    await strands.signal(client, 'a1', 'rotate');
    await client.query('commit');
    client.release();
  }
  expect((await strands.describe('a1'))?.error).toBeNull();
});
