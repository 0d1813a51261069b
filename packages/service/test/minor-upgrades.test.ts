import { randomUUID } from 'node:crypto';
import type { MinorUpgrade } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import { expect, test } from 'vitest';
import { openDatabase } from '../src/database.js';
import { EngineEvents } from '../src/events/engine-events.js';
import { availableAddon, OPERATOR, useService } from './support/harness.js';

const start = useService();

const WANTED = { request: randomUUID(), version: '16.4', force: false, patienceSeconds: 30 };

type Harness = Awaited<ReturnType<typeof start>>;

function ask({ service }: Harness, id: string, more: object = {}, authorization = OPERATOR) {
  return service.app.inject({
    ...{ method: 'POST', url: `/operator/addons/${id}/minor-upgrade`, payload: { ...WANTED, ...more } },
    headers: { authorization },
  });
}

test('the operator asks for another minor release until it is in place', async () => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  const running: MinorUpgrade = { state: 'running', from: '16.3', to: '16.4', sentence: 'Trying it' };
  const done: MinorUpgrade = {
    ...{ state: 'done', from: '16.3', to: '16.4', pauseMs: 321, kept: 7, closed: { 'temporary-table': 1 } },
  };
  harness.engine.upgrades = [running, done];
  expect((await ask(harness, id)).json()).toEqual(running);
  const answer = await ask(harness, id);
  expect([answer.statusCode, answer.json()]).toEqual([200, done]);
  const { cluster_id } = (await harness.pool.query('select cluster_id from addon')).rows[0];
  expect(harness.engine.upgraded[0]).toEqual({ id: cluster_id, ...WANTED });
  expect((await ask(harness, id, {}, 'Bearer somebody')).statusCode).toBe(401);
});

test('what is refused is told in the engine’s own sentence, and by its status', async () => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  const statuses = { unsupported: 422, conflict: 409, not_ready: 503 } as const;
  for (const [code, status] of Object.entries(statuses)) {
    harness.engine.before = (call) => {
      if (call === 'upgradeMinor') throw new EngineError(code as keyof typeof statuses, `It is ${code}.`);
    };
    const answer = await ask(harness, id);
    expect([answer.statusCode, answer.json()]).toEqual([status, { message: `It is ${code}.` }]);
  }
  expect((await ask(harness, id, { version: 'sixteen' })).statusCode).toBe(400);
  expect((await ask(harness, randomUUID())).statusCode).toBe(404);
});

test('the app’s log tells what came of an upgrade, and which sessions were closed', async () => {
  const harness = await start();
  await availableAddon(harness);
  const { cluster_id: clusterId } = (await harness.pool.query('select cluster_id from addon')).rows[0];
  const at = '2026-03-04T05:06:07.000Z';
  const versions = { clusterId, seq: 0, at, from: '16.3', to: '16.4' };
  const closed = { 'temporary-table': 1, late: 2 };
  harness.engine.log.push(
    { ...versions, type: 'minor-upgrade-started' },
    { ...versions, type: 'minor-upgrade-completed', pauseMs: 321, kept: 7, closed },
    { ...versions, type: 'minor-upgrade-failed', what: 'It did not start.' },
  );
  const told = async () =>
    (await harness.pool.query("select type, attributes, delivery from event where type like 'db-minor%' order by id"))
      .rows;
  const db = { ...openDatabase(harness.pool.options, () => {}), pool: harness.pool };
  const intake = new EngineEvents(db, harness.engine, harness.service.strands, () => {});
  expect(await intake.take(new AbortController().signal, 0)).toBe(3);
  const log = { from_version: '16.3', to_version: '16.4' };
  const moved = { pause_ms: 321, sessions_kept: 7, sessions_closed: 3, closed_by_kind: 'temporary-table:1,late:2' };
  expect(await told()).toMatchObject([
    { type: 'db-minor-upgrade-started', attributes: log, delivery: 'pending' },
    { type: 'db-minor-upgrade-completed', attributes: { ...log, ...moved }, delivery: 'pending' },
    { type: 'db-minor-upgrade-failed', attributes: { ...log, reason: 'It did not start.' }, delivery: 'pending' },
  ]);
});
