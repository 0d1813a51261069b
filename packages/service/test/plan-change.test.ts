import { randomUUID } from 'node:crypto';
import { EngineError } from '@borealis/engine';
import { expect, test } from 'vitest';
import {
  availableAddon,
  call,
  deprovision,
  type Harness,
  PARTNER,
  provision,
  provisionRequest,
  stepTo,
  useService,
} from './support/harness.js';

const start = useService();
const SMALL = 'x1-s10-p1-r1';
const LARGE = 'x1-s100-p2-r4';
const LARGER = 'x1-s100-p2-r8';
const GIB = 2 ** 30;

async function withAddon(more: Record<string, unknown> = {}) {
  const harness = await start();
  const addon = await availableAddon(harness, more);
  const { id } = addon;
  const { service, pool, engine } = harness;
  const { rows } = await pool.query('select cluster_id, database_name from addon where id = $1', [id]);
  const cluster = engine.clusters.get(rows[0].cluster_id)!;
  return {
    ...{ harness, addon, id, engine, cluster, pool, service, database: rows[0].database_name as string },
    ask: (plan: string) => changePlan(harness, id, plan),
    info: async () => (await call(service, addon.token, 'GET', addon.name)).json(),
    settle: () => settle(harness, id),
    events: () => planEvents(harness, id),
  };
}

async function changePlan({ service }: Pick<Harness, 'service'>, uuid: string, plan: string) {
  const answer = await service.app.inject({
    ...{ method: 'PUT', url: `/heroku/resources/${uuid}`, payload: { plan } },
    headers: { authorization: PARTNER },
  });
  return { status: answer.statusCode, message: answer.json().message as string };
}

async function planEvents({ pool }: Harness, id: string): Promise<string[]> {
  const { rows } = await pool.query(
    `select type, attributes from event where addon_id = $1 and type like 'plan-change%' order by id`,
    [id],
  );
  return rows.map(({ type, attributes: { from_plan, to_plan, plan, wanted_plan } }) =>
    [type.replace('plan-change-', ''), from_plan, to_plan, plan, wanted_plan].filter(Boolean).join(' '),
  );
}

/** Lets the strand work, without its pauses, until it naps with no change under way. */
async function settle({ service, pool }: Harness, id: string): Promise<string[]> {
  const ran: string[] = [];
  for (let steps = 0; steps < 40; steps++) {
    const result = await service.strands.step(id);
    if (!result || result.outcome === 'failed' || result.outcome === 'parked') throw new Error(JSON.stringify(result));
    if (ran.at(-1) !== result.label) ran.push(result.label);
    const { rowCount } = await pool.query('update plan_change set due_at = now() where addon_id = $1', [id]);
    if (result.outcome === 'nap' && rowCount === 0) return ran;
  }
  throw new Error(`never settles: ${ran.join(', ')}`);
}

test('a plan change is accepted at once, made by the engine, and shown when it is through', async () => {
  const { ask, info, settle, events, cluster, engine } = await withAddon();
  engine.looksUntilChanged = 2;
  const accepted = { status: 200, message: expect.stringMatching(/^Add-on plan change is in progress/) };
  expect(await ask(LARGE)).toEqual(accepted);
  expect(await info()).toMatchObject({ planName: SMALL, status: 'maintenance-plan-change' });
  const [first, ...rest] = await settle();
  expect([first, ...new Set(rest)]).toEqual(['serve', 'changePlan', 'serve', 'announcePlan']);
  expect(cluster.spec).toMatchObject({ vcpu: 2, memoryGiB: 4, storageGiB: 100, nodes: 1 });
  expect(await info()).toMatchObject({ planName: LARGE, status: 'available', dbStorageMaxBytes: 100 * GIB });
  expect(await events()).toEqual([`started ${SMALL} ${LARGE}`, `completed ${LARGE}`]);
});

test('a repeated request changes nothing more, and of several plans the last one counts', async () => {
  const { ask, info, settle, events, cluster } = await withAddon();
  const answers = await Promise.all([ask(LARGE), ask(LARGE), ask(LARGE)]);
  expect(new Set(answers.map(({ status, message }) => `${status} ${message}`)).size).toBe(1);
  expect(await events()).toEqual([`started ${SMALL} ${LARGE}`]);
  await ask(LARGER);
  await settle();
  expect(cluster.spec.memoryGiB).toBe(8);
  expect(await info()).toMatchObject({ planName: LARGER, status: 'available' });
  expect(await events()).toEqual([`started ${SMALL} ${LARGE}`, `started ${SMALL} ${LARGER}`, `completed ${LARGER}`]);
  expect(await ask(LARGER)).toEqual({ status: 200, message: `The add-on has the plan ${LARGER} already.` });
  expect(await settle()).toEqual(['serve']);
});

test('a change that is taken back under way leaves the plan as it was', async () => {
  const { ask, info, settle, engine, service, id, cluster, pool } = await withAddon();
  engine.looksUntilChanged = 100;
  await ask(LARGE);
  await stepTo(service, id, 'changePlan');
  await service.strands.step(id);
  expect(cluster).toMatchObject({ specInForce: false, spec: { memoryGiB: 4 } });
  expect((await ask(SMALL)).status).toBe(200);
  engine.looksUntilChanged = 0;
  await settle();
  expect(cluster.spec.memoryGiB).toBe(1);
  expect(await info()).toMatchObject({ planName: SMALL, status: 'available' });
  expect((await pool.query('select from plan_change')).rowCount).toBe(0);
});

test.each([
  ['an unknown plan', 'huge', /no plan "huge".*x1-s100-p2-r4/],
  ['the shared plan, which the data does not fit in either', 'dev', /plan "dev" has 1\.00 GiB.*x1-s100-p2-r4/],
  [
    'a plan that the data does not fit in',
    SMALL,
    /takes 12\.30 GiB, and the plan "x1-s10-p1-r1" has 10\.00 GiB.*x1-s100-p2-r4/,
  ],
])('%s is refused with a sentence and changes nothing', async (_what, plan, sentence) => {
  const { ask, info, engine, database, events } = await withAddon({ plan: LARGE });
  engine.sizes.set(database, 12.3 * GIB);
  expect(await ask(plan)).toEqual({ status: 422, message: expect.stringMatching(sentence) });
  expect(await info()).toMatchObject({ planName: LARGE, status: 'available' });
  expect(await events()).toEqual([]);
});

test('what is not there, not ready, or being upgraded keeps its plan', async () => {
  const { ask, harness, pool, service, id } = await withAddon();
  expect((await changePlan(harness, randomUUID(), LARGE)).status).toBe(410);
  const young = provisionRequest(harness.platform);
  await provision(service, young);
  expect(await changePlan(harness, young.uuid, LARGE)).toEqual({
    status: 422,
    message: expect.stringMatching(/not finished provisioning/),
  });
  await pool.query("update addon set status = 'maintenance-postgresql-major-version-upgrade' where id = $1", [id]);
  expect(await ask(LARGE)).toEqual({ status: 422, message: expect.stringMatching(/upgrade of the add-on is running/) });
  expect((await pool.query('select from plan_change')).rowCount).toBe(0);
});

test('an add-on that is destroyed in the middle is destroyed, and asked for nothing more', async () => {
  const { ask, service, id, engine, pool } = await withAddon();
  await ask(LARGE);
  await stepTo(service, id, 'changePlan');
  expect((await deprovision(service, id)).statusCode).toBe(204);
  expect((await ask(LARGER)).status).toBe(410);
  await stepTo(service, id, null);
  expect(engine.clusters.size).toBe(0);
  expect((await pool.query('select from plan_change')).rowCount).toBe(0);
});

test('a size that the server cannot run by is given up: the former plan is shown and the owner is told', async () => {
  const { ask, info, settle, events, engine, harness, pool } = await withAddon();
  engine.changeFailure = 'PostgreSQL in "/secret/place" ended';
  await ask(LARGE);
  await settle();
  expect(await info()).toMatchObject({ planName: SMALL, status: 'available' });
  expect(await events()).toEqual([`started ${SMALL} ${LARGE}`, `failed ${SMALL} ${LARGE}`]);
  const { rows } = await pool.query('select subject, body from mail');
  expect(rows).toEqual([
    { subject: expect.stringMatching(/could not be changed/), body: expect.stringContaining(LARGE) },
  ]);
  expect(JSON.stringify([rows, await events()])).not.toContain('/secret/place');
  expect(harness.logged()).toContain('plan-change-failed');
  engine.changeFailure = null;
  expect((await ask(LARGE)).status).toBe(200);
  await settle();
  expect(await info()).toMatchObject({ planName: LARGE });
});

test('a size that cannot be given after another one that was goes back to that of the plan that is shown', async () => {
  const { ask, info, settle, engine, service, id, cluster } = await withAddon();
  await ask(LARGE);
  await stepTo(service, id, 'changePlan');
  await service.strands.step(id);
  engine.looksUntilChanged = 0;
  // Through, and the service has not seen it.
  expect(await engine.cluster(cluster.id)).toMatchObject({ specInForce: true, spec: { memoryGiB: 4 } });
  await ask(LARGER);
  engine.changeFailure = 'PostgreSQL ended';
  let changes = 0;
  engine.before = (call) => {
    if (call === 'changeCluster' && ++changes === 2) engine.changeFailure = null;
  };
  await settle();
  expect(changes).toBe(2);
  expect(await info()).toMatchObject({ planName: SMALL, status: 'available' });
  expect(cluster.spec.memoryGiB).toBe(1);
});

test('an engine or a platform that is out is asked again, and the add-on is served meanwhile', async () => {
  const { ask, info, settle, engine, harness, service, id } = await withAddon();
  const { platform } = harness;
  engine.before = (call) => {
    if (call === 'changeCluster') throw new EngineError('unavailable', 'The keeper does not answer.');
  };
  await ask(LARGE);
  await stepTo(service, id, 'changePlan');
  expect(await service.strands.step(id)).toMatchObject({ outcome: 'go', next: 'serve' });
  expect(await service.strands.step(id)).toMatchObject({ outcome: 'nap' });
  engine.before = () => {};
  platform.outage = 500;
  await harness.pool.query('update plan_change set due_at = now()');
  await stepTo(service, id, 'changePlan');
  for (let looks = 0; looks < 10 && (await service.strands.describe(id))?.label !== 'announcePlan'; looks++) {
    await service.strands.step(id);
    await harness.pool.query('update plan_change set due_at = now()');
  }
  expect(await service.strands.step(id)).toMatchObject({ label: 'announcePlan', next: 'serve' });
  // Until it comes through, the app may not know where its database is.
  const { rows } = await harness.pool.query(`select due_at <= now() + interval '10 seconds' as soon from plan_change`);
  expect(rows).toEqual([{ soon: true }]);
  platform.outage = null;
  expect(await info()).toMatchObject({ planName: LARGE, status: 'available' });
  platform.addons.get(id)!.config = {};
  await settle();
  expect(Object.keys(platform.addons.get(id)!.config)).toHaveLength(3);
});

test('a database that its size has made read-only can be written to again with a larger plan', async () => {
  const { ask, settle, engine, database, pool, id } = await withAddon();
  await pool.query("update storage set look_at = now() + interval '1 hour'");
  engine.sizes.set(database, 11 * GIB);
  expect((await ask(LARGE)).status).toBe(200);
  await settle();
  const { rows } = await pool.query('select look_at <= now() as due from storage where addon_id = $1', [id]);
  expect(rows).toEqual([{ due: true }]);
});
