import { randomUUID } from 'node:crypto';
import type { MajorUpgrade } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import { expect, test } from 'vitest';
import { availableAddon, call, OPERATOR, provision, provisionRequest, stepTo, useService } from './support/harness.js';

const start = useService();
const DEV = { plan: 'dev' };
const UPGRADING = 'maintenance-postgresql-major-version-upgrade';

const up = { from: '16.4', to: '17.4' };
const back = { from: '17.4', to: '16.4' };
const moved = { pauseMs: 512, kept: 7, closed: {} };
const COPYING: MajorUpgrade = { state: 'running', stage: 'copying', ...up, sentence: 'Copying' };
const UP: MajorUpgrade = { state: 'done', ...up, ...moved, revertibleUntil: '2026-03-05T15:05:17.485Z' };
const SWITCHING: MajorUpgrade = { state: 'running', stage: 'switching', ...back, sentence: 'Holding sessions' };
const BACK: MajorUpgrade = { state: 'done', ...back, ...moved, revertibleUntil: null };

type Harness = Awaited<ReturnType<typeof start>>;

async function asOperator({ service }: Harness, method: 'POST' | 'DELETE', path: string, payload?: object) {
  const answer = await service.app.inject({
    ...{ method, url: `/operator${path}`, headers: { authorization: OPERATOR } },
    ...(payload && { payload }),
  });
  return { status: answer.statusCode, ...(answer.body && answer.json()) };
}

async function runUpgrade({ service, pool }: Harness, clusterId: string): Promise<string[]> {
  const ran: string[] = [];
  for (let steps = 0; steps < 20; steps++) {
    const { rows } = await pool.query('select request, state from major_upgrade where cluster_id = $1', [clusterId]);
    const result = await service.strands.step(rows[0].request);
    ran.push(`${result?.label} ${result?.outcome}`);
    if (result?.outcome === 'done') return ran;
    if (result?.outcome === 'nap' && result.label === 'waitForUpgrade') return ran;
  }
  throw new Error(ran.join(', '));
}

const addonRow = async ({ pool }: Harness, id: string) =>
  (await pool.query('select postgres_major, status, cluster_id from addon where id = $1', [id])).rows[0];

const subjects = async ({ pool }: Harness, { id, name }: { id: string; name: string }): Promise<string[]> =>
  (await pool.query('select subject from mail where addon_id = $1 order by written_at, id', [id])).rows.map(
    ({ subject }) => subject.replace(name, 'IT'),
  );

/** An add-on with a cluster of its own, upgraded from 16 to 17 through the API. */
async function upgraded() {
  const harness = await start();
  const addon = await availableAddon(harness);
  const { cluster_id } = await addonRow(harness, addon.id);
  harness.engine.majorUpgrades = [COPYING, UP];
  const asking = call(harness.service, addon.token, 'POST', `${addon.name}/pg-version-upgrades`).then(
    (answer) => answer,
  );
  while ((await harness.pool.query('select from major_upgrade')).rowCount === 0)
    await new Promise((r) => setTimeout(r, 20));
  await runUpgrade(harness, cluster_id);
  expect((await asking).statusCode).toBe(202);
  const revert = (request: string = randomUUID(), more: object = {}) =>
    asOperator(harness, 'POST', `/addons/${addon.id}/upgrade-revert`, { request, patienceSeconds: 60, ...more });
  return { harness, addon, clusterId: cluster_id as string, revert };
}

test('the operator goes back to the former version, and asks until it is there', async () => {
  const { harness, addon, clusterId, revert } = await upgraded();
  const { engine } = harness;
  engine.majorUpgrades = [SWITCHING, BACK];
  const request = randomUUID();
  expect(await revert(request)).toMatchObject({ status: 200, state: 'running', from: '17', to: '16' });
  expect(await addonRow(harness, addon.id)).toMatchObject({ postgres_major: '17', status: UPGRADING });
  const patienceSeconds = 60;
  await harness.service.strands.step(request);
  await harness.service.strands.step(request);
  expect(await revert(request)).toEqual({ status: 200, ...SWITCHING });
  await runUpgrade(harness, clusterId);
  expect(await revert(request)).toEqual({ status: 200, ...BACK });
  expect(engine.majorAsked.at(-1)).toEqual({ id: clusterId, request, patienceSeconds });
  expect(await addonRow(harness, addon.id)).toMatchObject({ postgres_major: '16', status: 'available' });
  expect((await subjects(harness, addon)).at(-1)).toBe('IT is back on PostgreSQL 16.4');
  const info = (await call(harness.service, addon.token, 'GET', `${addon.name}/pg-version-upgrades`)).json();
  expect(info).toMatchObject({ currentPgMajorVersion: '16', last: { outcome: 'reverted' } });
  expect(await revert()).toMatchObject({
    status: 422,
    message: expect.stringMatching(/no major upgrade .* to go back/),
  });
});

test('a way back that the engine does not have is told, and may be tried again', async () => {
  const { harness, addon, clusterId, revert } = await upgraded();
  harness.engine.before = (name) => {
    if (name === 'revertMajorUpgrade') throw new EngineError('unsupported', 'The schema was changed.');
  };
  const request = randomUUID();
  await revert(request);
  await runUpgrade(harness, clusterId);
  expect(await revert(request)).toMatchObject({ status: 200, state: 'failed', findings: ['The schema was changed.'] });
  expect(await addonRow(harness, addon.id)).toMatchObject({ postgres_major: '17', status: 'available' });
  harness.engine.before = () => {};
  harness.engine.majorUpgrades = [BACK];
  await revert();
  await runUpgrade(harness, clusterId);
  expect(await addonRow(harness, addon.id)).toMatchObject({ postgres_major: '16', status: 'available' });
});

test('nobody goes back from nothing, during something else, or without being the operator', async () => {
  const { harness, addon, revert } = await upgraded();
  await harness.pool.query("update addon set status = 'maintenance-db-credentials-full-reset'");
  expect(await revert()).toMatchObject({ status: 409 });
  expect(await revert('not-a-uuid')).toMatchObject({ status: 400 });
  await harness.pool.query("update addon set status = 'available'; delete from major_upgrade");
  expect(await revert()).toMatchObject({ status: 422 });
  expect(
    await asOperator(harness, 'POST', `/addons/${randomUUID()}/upgrade-revert`, {
      request: randomUUID(),
      patienceSeconds: 0,
    }),
  ).toMatchObject({ status: 404 });
  const url = `/operator/addons/${addon.id}/upgrade-revert`;
  const answer = await harness.service.app.inject({ method: 'POST', url, payload: {} });
  expect(answer.statusCode).toBe(401);
});

/** Two add-ons that share a cluster of 16. */
async function sharing() {
  const harness = await start();
  const [one, two] = [await availableAddon(harness, DEV), await availableAddon(harness, DEV)];
  const { cluster_id } = await addonRow(harness, one.id);
  const announce = (inSeconds: number, major = '17') =>
    asOperator(harness, 'POST', `/clusters/${cluster_id}/major-upgrade`, { major, inSeconds });
  return { harness, one, two, clusterId: cluster_id as string, announce };
}

test('a shared cluster is upgraded when its time has come, for everybody in it', async () => {
  const { harness, one, two, clusterId, announce } = await sharing();
  harness.engine.majorUpgrades = [COPYING, UP];
  const announced = await announce(3600);
  expect(announced).toEqual({
    ...{ status: 202, clusterId, from: '16', to: '17', addons: expect.arrayContaining([one.name, two.name]) },
    beginsAfter: expect.any(String),
  });
  expect(await runUpgrade(harness, clusterId)).toEqual(['waitForUpgrade nap']);
  const info = (await call(harness.service, one.token, 'GET', `${one.name}/pg-version-upgrades`)).json();
  expect(info).toMatchObject({ upgradeStatus: 'available', automatic: true, announcedFor: announced.beginsAfter });
  await harness.pool.query('update major_upgrade set due_at = now()');
  expect((await runUpgrade(harness, clusterId)).at(-1)).toBe('upgradeMajor done');
  for (const addon of [one, two]) {
    expect(await addonRow(harness, addon.id)).toMatchObject({ postgres_major: '17', status: 'available' });
    expect(await subjects(harness, addon)).toEqual([
      'IT will be upgraded from PostgreSQL 16 to 17',
      'IT is being upgraded from PostgreSQL 16.4 to 17.4',
      'IT runs PostgreSQL 17.4 now',
    ]);
    const sql = "select type, attributes from event where addon_id = $1 and type like 'db-major%' order by id";
    expect((await harness.pool.query(sql, [addon.id])).rows).toEqual([
      { type: 'db-major-upgrade-started', attributes: { from_version: '16.4', to_version: '17.4' } },
      {
        type: 'db-major-upgrade-completed',
        attributes: { from_version: '16.4', to_version: '17.4', pause_ms: 512 },
      },
    ]);
  }
});

test('from its announcement on a cluster takes no new tenants, and takes them again with its new version', async () => {
  const { harness, clusterId, announce } = await sharing();
  harness.engine.majorUpgrades = [COPYING, UP];
  await announce(0);
  const late = await availableAddon(harness, DEV);
  expect((await addonRow(harness, late.id)).cluster_id).not.toBe(clusterId);
  await runUpgrade(harness, clusterId);
  const next = await availableAddon(harness, { ...DEV, options: { version: '17' } });
  expect((await addonRow(harness, next.id)).cluster_id).toBe(clusterId);
  const request = { request: randomUUID(), patienceSeconds: 0 };
  expect(await asOperator(harness, 'POST', `/addons/${next.id}/upgrade-revert`, request)).toMatchObject({
    ...{ status: 422, message: expect.stringMatching(/came to the cluster since/) },
  });
});

test('where the next version has a shared cluster already, that one goes on taking the new tenants', async () => {
  const { harness, clusterId, announce } = await sharing();
  const there = await availableAddon(harness, { ...DEV, options: { version: '17' } });
  harness.engine.majorUpgrades = [COPYING, UP];
  await announce(0);
  await runUpgrade(harness, clusterId);
  const next = await availableAddon(harness, { ...DEV, options: { version: '17' } });
  expect((await addonRow(harness, next.id)).cluster_id).toBe((await addonRow(harness, there.id)).cluster_id);
});

test('it does not begin while one of its add-ons is being made', async () => {
  const { harness, clusterId, announce } = await sharing();
  const young = provisionRequest(harness.platform, DEV);
  await provision(harness.service, young);
  await announce(0);
  harness.engine.majorUpgrades = [COPYING, UP];
  expect(await runUpgrade(harness, clusterId)).toEqual(['waitForUpgrade nap']);
  expect(harness.engine.majorAsked).toEqual([]);
  await stepTo(harness.service, young.uuid, 'serve');
  expect((await runUpgrade(harness, clusterId)).at(-1)).toBe('upgradeMajor done');
});

test('an announcement is taken back, and one under way is given up', async () => {
  const { harness, one, clusterId, announce } = await sharing();
  await announce(3600);
  expect((await announce(7200, '18')).to).toBe('18');
  expect((await harness.pool.query('select from major_upgrade')).rowCount).toBe(1);
  const cancel = () => asOperator(harness, 'DELETE', `/clusters/${clusterId}/major-upgrade`);
  expect(await cancel()).toEqual({ status: 204 });
  expect(await cancel()).toMatchObject({ status: 400, message: expect.stringMatching(/no .* in progress/) });
  const next = await availableAddon(harness, DEV);
  expect((await addonRow(harness, next.id)).cluster_id).toBe(clusterId);
  await announce(0);
  harness.engine.majorUpgrades = [COPYING, COPYING, { state: 'cancelled', ...up }];
  const { rows } = await harness.pool.query('select request from major_upgrade');
  for (let steps = 0; steps < 2; steps++) await harness.service.strands.step(rows[0].request);
  expect((await addonRow(harness, one.id)).status).toBe(UPGRADING);
  expect(await announce(0)).toMatchObject({ status: 409 });
  expect(await cancel()).toEqual({ status: 204 });
  await runUpgrade(harness, clusterId);
  expect(await addonRow(harness, one.id)).toMatchObject({ postgres_major: '16', status: 'available' });
});

test('only a shared cluster is announced, and only a newer version', async () => {
  const { harness, announce } = await sharing();
  expect(await announce(0, '16')).toMatchObject({
    status: 400,
    message: expect.stringMatching(/Versions that it can: 17, 18/),
  });
  const body = { major: '17', inSeconds: 0 };
  expect(await asOperator(harness, 'POST', '/clusters/cnone1234/major-upgrade', body)).toMatchObject({ status: 404 });
  const own = await availableAddon(harness);
  const { cluster_id } = await addonRow(harness, own.id);
  expect(await asOperator(harness, 'POST', `/clusters/${cluster_id}/major-upgrade`, body)).toMatchObject({
    status: 422,
  });
});
