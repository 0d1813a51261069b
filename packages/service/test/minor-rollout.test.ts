import type { MinorUpgrade } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { openDatabase } from '../src/database.js';
import {
  MAINTENANCE_POLICY,
  type MaintenancePolicy,
  usualWindow,
  windowAt,
} from '../src/upgrades/maintenance-window.js';
import { RolloutWatch } from '../src/upgrades/rollout-watch.js';
import { availableAddon, type Harness, OPERATOR, useService } from './support/harness.js';

const start = useService();
const running = new AbortController().signal;
/** Windows are always open, and nobody is too young. */
const ALWAYS: MaintenancePolicy = { ...MAINTENANCE_POLICY, open: 86_400, settle: -1 };
const DONE: MinorUpgrade = { state: 'done', from: '16.3', to: '16.4', pauseMs: 300, kept: 1, closed: {} };

/** So many add-ons whose clusters run an older release than the newest. */
async function outdated(count: number, more: Record<string, unknown> = {}) {
  const harness = await start();
  const addons = [];
  for (let made = 0; made < count; made++)
    addons.push(await availableAddon(harness, { options: { version: '16' }, ...more }));
  for (const cluster of harness.engine.clusters.values()) cluster.version = '16.3';
  const { engine, pool } = harness;
  /** A watch of its own each time, as after a crash. */
  const turn = async (policy = ALWAYS) => {
    const db = openDatabase(pool.options, () => {});
    try {
      return await new RolloutWatch({ db, engine, policy, log: pino({ level: 'silent' }) }).turn(running);
    } finally {
      await db.close();
    }
  };
  const turns = async (policy = ALWAYS) => {
    while ((await turn(policy)) === 0);
  };
  const rows = async () => (await pool.query('select * from minor_rollout order by due_at, cluster_id')).rows;
  const states = async () => (await rows()).map(({ state }) => state).sort();
  const planned = async () =>
    (await pool.query("select attributes, delivery from event where type = 'db-minor-upgrade-planned'")).rows;
  const isDue = () => pool.query("update minor_rollout set due_at = now() where state = 'planned'");
  return { ...harness, addons, turn, turns, rows, states, planned, isDue };
}

function operator(
  { service }: Pick<Harness, 'service'>,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  payload?: object,
) {
  return service.app.inject({
    ...{ method, url: `/operator/${path}`, headers: { authorization: OPERATOR } },
    ...(payload && { payload }),
  });
}

test('a new release is noticed, told, and put in place of one cluster after the other', async () => {
  const { turn, turns, states, planned, engine } = await outdated(2);
  engine.upgrades = [{ state: 'running', from: '16.3', to: '16.4', sentence: 'Trying it' }, DONE];
  expect(await turn()).toBe(0);
  expect(await states()).toEqual(['planned', 'running']);
  const told = { from_version: '16.3', to_version: '16.4', not_before: expect.stringMatching(/Z$/) };
  expect(await planned()).toEqual([told, told].map((attributes) => ({ attributes, delivery: 'pending' })));
  expect(engine.upgraded).toEqual([]);
  expect(await turn()).toBeGreaterThan(0);
  await turns();
  expect(await states()).toEqual(['done', 'done']);
  const [first, again, second] = engine.upgraded;
  expect(again).toEqual(first);
  expect(first).toMatchObject({ version: '16.4', force: false, patienceSeconds: 600 });
  expect(second).not.toMatchObject({ id: first!.id });
  expect(second!.request).not.toBe(first!.request);
  expect(engine.upgraded).toHaveLength(3);
  await turns();
  expect(engine.upgraded).toHaveLength(3);
});

test('the cluster that tenants share is upgraded once, and each of them is told', async () => {
  const { turns, states, planned, engine } = await outdated(2, { plan: 'dev' });
  engine.upgrades = [DONE];
  await turns();
  expect(await states()).toEqual(['done']);
  expect(engine.upgraded).toHaveLength(1);
  expect(await planned()).toHaveLength(2);
});

test("a cluster that runs by the system's build gets the releases of the system, and no others", async () => {
  const harness = await outdated(2);
  const { turns, engine, rows } = harness;
  const [own] = [...engine.clusters.values()];
  own!.build = 'system';
  engine.system['16'] = '16.3';
  engine.upgrades = [DONE];
  const noted = async () => (await rows()).find(({ cluster_id }) => cluster_id === own!.id);
  await turns();
  expect(await noted()).toMatchObject({ version: '16.3', state: 'done' });
  expect(engine.upgraded).toMatchObject([{ version: '16.4' }]);
  expect(engine.upgraded[0]!.id).not.toBe(own!.id);
  engine.system['16'] = '16.5';
  await turns();
  expect(await noted()).toMatchObject({ version: '16.5', state: 'done' });
  expect(engine.upgraded.slice(1)).toMatchObject([{ id: own!.id, version: '16.5' }]);
  own!.version = '16.5';
  delete engine.system['16'];
  await turns();
  expect(engine.upgraded).toHaveLength(2);
  const shown = (await operator(harness, 'GET', 'releases')).json();
  expect(shown.clusters.map(({ build }: { build: string }) => build).sort()).toEqual(['npm', 'system']);
});

test('a release that failed is put in place nowhere, until the operator allows it', async () => {
  const harness = await outdated(3);
  const { turns, states, rows, engine, isDue } = harness;
  engine.upgrades = [{ state: 'failed', from: '16.3', to: '16.4', reason: 'It fails.' }, DONE];
  engine.before = (call) => {
    if (call === 'upgradeMinor' && engine.upgraded.length === 0)
      engine.refused = [{ version: '16.4', reason: 'It fails.', at: '2026-01-02T03:04:05.000Z' }];
  };
  await turns();
  await isDue();
  await turns();
  expect(await states()).toEqual(['planned', 'planned', 'planned']);
  expect(engine.upgraded).toHaveLength(1);
  expect((await rows()).map(({ tries, error }) => [tries, error])).toContainEqual([0, 'It fails.']);
  const shown = (await operator(harness, 'GET', 'releases')).json();
  const offer = shown.releases.find(({ major }: { major: string }) => major === '16');
  expect(offer.refused).toEqual(engine.refused);
  expect((await operator(harness, 'POST', 'releases/16.4/allow')).statusCode).toBe(204);
  await turns();
  expect(await states()).toEqual(['done', 'done', 'done']);
});

test('data that fails keeps the release from no other cluster, and is left to the operator in the end', async () => {
  const { turns, states, rows, engine, isDue } = await outdated(2);
  const bad = [...engine.clusters.keys()].sort()[0];
  engine.upgradeMinor = async (id, wanted) => {
    engine.upgraded.push({ id, ...wanted });
    return id === bad ? { state: 'failed', from: '16.3', to: '16.4', reason: 'The data fails.' } : DONE;
  };
  await turns();
  expect(await states()).toEqual(['done', 'planned']);
  await turns();
  expect(engine.upgraded).toHaveLength(2);
  for (let more = 0; more < 3; more++) {
    await isDue();
    await turns();
  }
  expect(await states()).toEqual(['done', 'failed']);
  expect((await rows()).find(({ state }) => state === 'failed')).toMatchObject({ tries: 3, error: 'The data fails.' });
  expect(engine.upgraded).toHaveLength(4);
});

test('a cluster that cannot take it now, and an engine that does not answer, are asked again', async () => {
  const { turn, turns, states, engine, isDue } = await outdated(1);
  engine.upgrades = [DONE];
  for (const code of ['not_ready', 'conflict'] as const) {
    engine.before = (call) => {
      if (call === 'upgradeMinor') throw new EngineError(code, 'Not now.');
    };
    await turns();
    expect(await states()).toEqual(['planned']);
    await isDue();
  }
  engine.before = (call) => {
    if (call === 'upgradeMinor') throw new EngineError('unavailable', 'No keeper answers.');
  };
  await turn();
  expect(await turn()).toBeGreaterThan(0);
  expect(await states()).toEqual(['running']);
  engine.before = () => {};
  await turns();
  expect(await states()).toEqual(['done']);
});

test('a cluster on its way to another major is left alone until it is there', async () => {
  const { turns, states, engine, pool } = await outdated(1);
  engine.upgrades = [DONE];
  await pool.query(
    `insert into major_upgrade (cluster_id, request, way, from_major, to_major, patience_seconds, state)
     select id, gen_random_uuid(), 'up', '16', '17', 60, 'running' from cluster`,
  );
  await turns();
  expect([await states(), engine.upgraded]).toEqual([['planned'], []]);
  await pool.query("update major_upgrade set state = 'ended'");
  await turns();
  expect(await states()).toEqual(['done']);
});

test('nothing begins outside of the window that the operator has chosen', async () => {
  const harness = await outdated(1);
  const { turns, states, rows, engine, addons, isDue, pool } = harness;
  engine.upgrades = [DONE];
  const hours = { ...ALWAYS, open: 3600 };
  const path = `addons/${addons[0]!.id}/maintenance-window`;
  expect((await operator(harness, 'GET', path)).json()).toMatchObject({ chosen: null });
  const hour = (new Date().getUTCHours() + 2) % 24;
  const chosen = (await operator(harness, 'PUT', path, { day: null, hour })).json();
  expect(chosen).toMatchObject({ chosen: { day: null, hour } });
  await turns(hours);
  expect((await rows())[0].due_at.toISOString()).toBe(chosen.next.begin);
  await isDue();
  await turns(hours);
  expect(await states()).toEqual(['planned']);
  expect((await rows())[0].due_at.toISOString()).toBe(chosen.next.begin);
  const later = (await operator(harness, 'PUT', path, { day: null, hour: (hour + 1) % 24 })).json();
  expect((await rows())[0].due_at.toISOString()).toBe(later.next.begin);
  expect(engine.upgraded).toEqual([]);
  expect((await operator(harness, 'DELETE', path)).json()).toMatchObject({ chosen: null });
  expect((await pool.query('select * from maintenance_window')).rows).toEqual([]);
  expect((await operator(harness, 'PUT', path, { day: 7, hour })).statusCode).toBe(400);
  expect((await operator(harness, 'PUT', path, { day: null, hour: 24 })).statusCode).toBe(400);
});

test('who shares a cluster cannot choose its window', async () => {
  const harness = await outdated(1, { plan: 'dev' });
  const answer = await operator(harness, 'PUT', `addons/${harness.addons[0]!.id}/maintenance-window`, {
    day: 1,
    hour: 3,
  });
  expect([answer.statusCode, answer.json().message]).toEqual([422, expect.stringContaining('shares its cluster')]);
});

test('with the roll-out switched off, and for add-ons that were just made, releases wait', async () => {
  const harness = await outdated(1);
  const { turns, states, planned, engine } = harness;
  await turns({ ...ALWAYS, settle: 3600 });
  expect(await states()).toEqual([]);
  await turns({ ...ALWAYS, automatic: false });
  expect([await states(), await planned(), engine.upgraded]).toEqual([['planned'], [], []]);
  const { clusters } = (await operator(harness, 'GET', 'releases')).json();
  expect(clusters).toEqual([
    expect.objectContaining({
      ...{ tenancy: 'isolated', major: '16', version: '16.3' },
      addons: [{ id: harness.addons[0]!.id, name: harness.addons[0]!.name }],
      rollout: expect.objectContaining({ version: '16.4', state: 'planned', error: null }),
    }),
  ]);
});

test('what the operator has put in place stays until there is a newer release', async () => {
  const harness = await outdated(1);
  const { turns, states, engine, addons } = harness;
  engine.upgrades = [{ ...DONE, from: '16.4', to: '16.3' }];
  const wanted = { request: 'asked-by-hand', version: '16.3', force: false, patienceSeconds: 1 };
  expect((await operator(harness, 'POST', `addons/${addons[0]!.id}/minor-upgrade`, wanted)).statusCode).toBe(200);
  await turns();
  expect([await states(), engine.upgraded.length]).toEqual([['held'], 1]);
  const offers = await engine.releases();
  engine.releases = async () => offers.map((offer) => ({ ...offer, version: `${offer.major}.5` }));
  engine.upgrades = [{ ...DONE, to: '16.5' }];
  await turns();
  expect([await states(), engine.upgraded.at(-1)]).toEqual([['done'], expect.objectContaining({ version: '16.5' })]);
});

test('a window opens each day, or once a week, and counts as open across midnight', () => {
  const at = (day: number | null, hour: number, now: string) => {
    const { begin, end } = windowAt({ day, second: hour * 3600 }, new Date(now), MAINTENANCE_POLICY);
    expect(end.getTime() - begin.getTime()).toBe(3_600_000);
    return begin.toISOString();
  };
  // A Monday.
  expect(at(null, 3, '2026-11-23T02:59:59Z')).toBe('2026-11-23T03:00:00.000Z');
  expect(at(null, 3, '2026-11-23T03:59:59Z')).toBe('2026-11-23T03:00:00.000Z');
  expect(at(null, 3, '2026-11-23T04:00:00Z')).toBe('2026-11-24T03:00:00.000Z');
  expect(at(1, 3, '2026-11-23T04:00:00Z')).toBe('2026-11-30T03:00:00.000Z');
  expect(at(0, 3, '2026-11-23T04:00:00Z')).toBe('2026-11-29T03:00:00.000Z');
  const night = { day: null, second: 23 * 3600 + 1800 };
  expect(windowAt(night, new Date('2026-11-23T00:15:00Z'), MAINTENANCE_POLICY).begin.toISOString()).toBe(
    '2026-11-22T23:30:00.000Z',
  );
});

test('without a window of their own add-ons are spread over the night', () => {
  const policy = { ...MAINTENANCE_POLICY, night: { begin: 22, hours: 4 } };
  const windows = Array.from({ length: 200 }, (_, id) => usualWindow(`addon-${id}`, policy));
  const hours = new Set(windows.map(({ second }) => Math.floor(second / 3600)));
  expect([...hours].sort((a, b) => a - b)).toEqual([0, 1, 22, 23]);
  expect(usualWindow('addon-7', policy)).toEqual(windows[7]);
});
