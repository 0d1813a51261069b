import { EngineError } from '@borealis/engine';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { BACKUP_POLICY, lastNight, retryPause } from '../src/backups/backup-policy.js';
import { BackupWatch } from '../src/backups/backup-watch.js';
import { type KeptBackup, superfluousBackups } from '../src/backups/retention.js';
import { openDatabase } from '../src/database.js';
import { availableAddon, call, type Harness, OPERATOR, useService } from './support/harness.js';

const start = useService();
const running = new AbortController().signal;
const DAY = 86_400_000;

/** An available add-on since two days, and turns of a watch over it. */
async function watched(more: Record<string, unknown> = {}) {
  const harness = await start();
  const { engine, pool } = harness;
  const addon = await availableAddon(harness, more);
  await pool.query(`update addon set available_at = now() - interval '2 days'`);
  /** Until nothing is due. */
  const turns = async () => {
    const db = openDatabase(pool.options, () => {});
    const watch = new BackupWatch({ db, engine, policy: BACKUP_POLICY, log: pino({ level: 'silent' }) });
    try {
      while ((await watch.turn(running)) === 0);
    } finally {
      await db.close();
    }
  };
  const rows = async () => (await pool.query('select * from backup order by name')).rows;
  const events = async () =>
    (await pool.query("select type, attributes, delivery from event where type like 'db-backup-%' order by id")).rows;
  const ask = async (path: string) => (await call(harness.service, addon.token, 'GET', `${addon.name}/${path}`)).json();
  return { ...harness, addon, turns, rows, events, ask };
}

function operator({ service }: Pick<Harness, 'service'>, method: 'GET' | 'POST', path: string) {
  return service.app.inject({ method, url: `/operator/${path}`, headers: { authorization: OPERATOR } });
}

test.each(['dev', 'x1-s10-p1-r1'])(
  'an add-on of the plan %s has a backup each night, proven, with a receipt',
  async (plan) => {
    const { turns, events, ask, engine } = await watched({ plan });
    expect(await ask('backups')).toEqual({ backups: [] });
    await turns();
    const { backups } = await ask('backups');
    const night = expect.stringMatching(/^\d{4}-\d\d-\d\d$/);
    expect(backups).toEqual([
      expect.objectContaining({ name: night, state: 'proven', bytes: 4711, rows: 30, error: null }),
    ]);
    expect(backups[0].proof).toMatchObject({ failure: null, checked: { tables: 2, rows: 30, objects: 5, indexes: 1 } });
    expect((await ask('restore-capabilities')).latestBackup).toEqual(backups[0]);
    const attributes = { backup: backups[0].name, bytes: 4711, seconds: 4, tables: 2, rows: 30 };
    expect(await events()).toEqual([{ type: 'db-backup-completed', attributes, delivery: 'pending' }]);
    expect([...engine.backupsOf.values()].flat()).toHaveLength(1);
  },
);

test('an add-on that is hardly there at its time of the night waits for the next one', async () => {
  const { turns, rows, pool, addon } = await watched();
  const { rows: clock } = await pool.query<{ now: Date }>('select now()');
  const { at } = lastNight(addon.id, clock[0]!.now, BACKUP_POLICY);
  await pool.query('update addon set available_at = $1', [new Date(at.getTime() - 3_599_000)]);
  await turns();
  expect(await rows()).toEqual([]);
  await pool.query('update addon set available_at = $1', [new Date(at.getTime() - 3_600_000)]);
  await turns();
  expect(await rows()).toHaveLength(1);
});

test('a backup that is found to be bad is told to its owner, and stays to be looked at', async () => {
  const { turns, engine, events, ask } = await watched();
  engine.backupFailure = 'Its file is not what was sealed (damaged).';
  await turns();
  expect((await ask('backups')).backups).toEqual([
    expect.objectContaining({ state: 'failed', proof: expect.objectContaining({ failure: engine.backupFailure }) }),
  ]);
  expect(await events()).toEqual([
    expect.objectContaining({
      type: 'db-backup-failed',
      attributes: { backup: expect.anything(), what: engine.backupFailure },
      delivery: 'pending',
    }),
  ]);
});

test('an attempt that failed is repeated later, and told when it failed for the third time', async () => {
  const { turns, engine, pool, rows, events } = await watched();
  engine.before = (name) => {
    if (name === 'backUpDatabase') throw new EngineError('unsupported', 'pg_dump is not installed.');
  };
  await turns();
  expect(await rows()).toEqual([
    expect.objectContaining({ state: 'wanted', tries: 1, error: 'pg_dump is not installed.' }),
  ]);
  expect(await events()).toEqual([]);
  const { rows: pause } = await pool.query('select due_at > now() as later from backup');
  expect(pause).toEqual([{ later: true }]);
  for (let more = 0; more < 3; more++) {
    await pool.query('update backup set due_at = now()');
    await turns();
  }
  const [backup] = await rows();
  expect(backup.tries).toBe(4);
  const attributes = { backup: backup.name, what: 'pg_dump is not installed.' };
  expect(await events()).toEqual([{ type: 'db-backup-failed', attributes, delivery: 'pending' }]);
  engine.before = () => {};
  await pool.query('update backup set due_at = now()');
  await turns();
  expect(await rows()).toEqual([expect.objectContaining({ state: 'proven', tries: 0, error: null })]);
});

test('the operator has one made and proven at once, sees all, and has one proven again', async () => {
  const harness = await watched();
  const { addon, pool, turns, engine } = harness;
  const asked = await operator(harness, 'POST', `addons/${addon.id}/backups`);
  expect(asked.statusCode).toBe(202);
  await pool.query("delete from backup where reason = 'night'");
  await turns();
  const all = (await operator(harness, 'GET', 'backups')).json();
  expect(all.map(({ state }: { state: string }) => state)).toEqual(['proven', 'proven']);
  const { name } = asked.json();
  expect(all).toContainEqual(expect.objectContaining({ name, addonName: addon.name, database: expect.anything() }));
  const proveAgain = () => operator(harness, 'POST', `addons/${addon.id}/backups/${name}/prove`);
  engine.backupFailure = 'It is damaged.';
  expect((await proveAgain()).statusCode).toBe(202);
  expect((await pool.query('select due_at <= now() as due from backup where name = $1', [name])).rows).toEqual([
    { due: true },
  ]);
  expect((await operator(harness, 'POST', `addons/${addon.id}/backups/none/prove`)).statusCode).toBe(404);
  expect((await operator(harness, 'POST', 'addons/00000000-0000-4000-8000-000000000000/backups')).statusCode).toBe(404);
});

describe('the policy', () => {
  const now = new Date('2026-11-23T12:00:00Z');

  test('spreads add-ons over the night, each always at the same time', () => {
    const ids = Array.from({ length: 200 }, (_, number) => `addon-${number}`);
    const nights = ids.map((id) => lastNight(id, now, BACKUP_POLICY));
    const hours = nights.map(({ at }) => at.getUTCHours());
    expect(new Set(hours)).toEqual(new Set([1, 2, 3, 4]));
    expect(new Set(nights.map(({ name }) => name))).toEqual(new Set(['2026-11-23']));
    const { at } = nights[0]!;
    expect(lastNight('addon-0', at, BACKUP_POLICY)).toEqual(nights[0]);
    const before = lastNight('addon-0', new Date(at.getTime() - 1), BACKUP_POLICY);
    expect(before).toEqual({ name: '2026-11-22', at: new Date(at.getTime() - DAY) });
    const late = { ...BACKUP_POLICY, night: { begin: 22, hours: 6 } };
    expect(ids.map((id) => lastNight(id, now, late).name)).toEqual(ids.map(() => '2026-11-22'));
  });

  test('waits longer from attempt to attempt, up to an hour', () => {
    expect([1, 2, 3, 100].map((tries) => retryPause(tries, BACKUP_POLICY))).toEqual([60, 120, 240, 3600]);
  });

  const backup = (daysAgo: number, more: Partial<KeptBackup> = {}): KeptBackup => ({
    name: `${daysAgo}`,
    takenAt: new Date(now.getTime() - daysAgo * DAY),
    ...{ reason: 'night', isGood: true, isProven: true },
    ...more,
  });
  const gone = (backups: KeptBackup[]) => superfluousBackups(backups, BACKUP_POLICY, now).map(({ name }) => name);

  test('keeps seven days and four weeks', () => {
    // 23 November 2026 is a Monday: the weeks before end 1, 8, 15 days ago.
    const nights = Array.from({ length: 40 }, (_, daysAgo) => backup(daysAgo));
    const kept = nights.map(({ name }) => name).filter((name) => !gone(nights).includes(name));
    expect(kept).toEqual(['0', '1', '2', '3', '4', '5', '6', '8', '15']);
  });

  test('never lets go of the newest that was proven, and lets no bad one take the place of a good one', () => {
    const unproven = Array.from({ length: 9 }, (_, daysAgo) => backup(daysAgo, { isProven: false }));
    expect(gone([...unproven, backup(300)])).not.toContain('300');
    expect(gone([backup(0, { isGood: false, isProven: false }), backup(3), backup(20, { isGood: false })])).toEqual([
      '20',
    ]);
  });
});
