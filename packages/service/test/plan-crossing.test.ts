import { parseConnInfo } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import { expect, test } from 'vitest';
import { availableAddon, call, deprovision, type Harness, PARTNER, stepTo, useService } from './support/harness.js';

const start = useService();
const ISOLATED = 'x1-s10-p1-r1';

async function crossing(from: string) {
  const harness = await start();
  const { engine, service, pool, platform } = harness;
  // Another tenant of the shared cluster, which is to notice nothing.
  const other = await availableAddon(harness, { plan: 'dev' });
  const addon = await availableAddon(harness, { plan: from });
  const { id, name, token } = addon;
  const row = async () => (await pool.query('select * from addon where id = $1', [id])).rows[0];
  const before = await row();
  const database = before.database_name as string;
  return {
    ...{ harness, engine, service, pool, platform, id, name, token, other, before, row, database },
    config: () => platform.addons.get(id)!.config as Record<string, string>,
    ask: async (plan: string) =>
      service.app.inject({
        ...{ method: 'PUT', url: `/heroku/resources/${id}`, payload: { plan } },
        headers: { authorization: PARTNER },
      }),
    info: async () => (await call(service, token, 'GET', name)).json(),
    settle: (until?: () => Promise<boolean>) => settle(harness, id, until),
    change: async () => (await pool.query('select * from plan_change where addon_id = $1', [id])).rows[0],
    access: (clusterId: string) => engine.clusters.get(clusterId)?.access,
  };
}

/** Lets the strand work, without its pauses, until it naps with no change under way, or until it is so. */
async function settle({ service, pool }: Harness, id: string, isSo?: () => Promise<boolean>): Promise<void> {
  for (let steps = 0; steps < 60; steps++) {
    if (await isSo?.()) return;
    const result = await service.strands.step(id);
    if (!result || result.outcome === 'failed' || result.outcome === 'parked') throw new Error(JSON.stringify(result));
    const { rowCount } = await pool.query('update plan_change set due_at = now() where addon_id = $1', [id]);
    if (result.outcome === 'nap' && rowCount === 0) return;
  }
  throw new Error('never settles');
}

test.each([
  ['dev', ISOLATED, 'isolated'],
  [ISOLATED, 'dev', 'shared'],
])(
  'from %s to %s the database goes to a cluster of the other kind with its names and passwords',
  async (from, to, tenancy) => {
    const world = await crossing(from);
    const { engine, before, database, access, pool, id } = world;
    const [configBefore, documentBefore] = [{ ...world.config() }, access(before.cluster_id)!];
    expect((await world.ask(to)).statusCode).toBe(200);
    await world.settle(
      async () =>
        (await world.change())?.state === 'copying' && access(before.cluster_id)!.databases.some((d) => d.restricted),
    );
    expect(await world.info()).toMatchObject({ planName: from, status: 'maintenance-plan-change' });
    const target = (await world.change()).other_cluster_id as string;
    // Over there it can be written to, and nobody is let in.
    expect(access(target)!.databases.find(({ name }) => name === database)!.restricted).toBe(false);
    expect(access(target)!.tunnelUsers.filter((user) => user.database === database)).toEqual([]);
    await world.settle();
    const after = await world.row();
    expect(after).toMatchObject({ plan: to, status: 'available', cluster_id: target, database_name: database });
    expect(engine.copied).toEqual([`${before.cluster_id} ${target} ${database}`]);
    expect(await world.info()).toMatchObject({ planName: to, dbTenancyType: tenancy });
    const part = (document: typeof documentBefore) => ({
      databases: document.databases.filter(({ name }) => name === database),
      roles: document.roles.filter((role) => role.database === database),
      tunnelUsers: document.tunnelUsers.filter((user) => user.database === database),
    });
    expect(part(access(target)!)).toEqual(part(documentBefore));
    // The app logs in as before, elsewhere.
    const config = world.config();
    expect(config.BOREALIS_PG_URL).toBe(configBefore.BOREALIS_PG_URL);
    const [now, then] = [config, configBefore].map((one) => parseConnInfo(one.BOREALIS_PG_TUNNEL_BPG_CONN_INFO!));
    expect(now!.SSH_USER_PRIVATE_KEY).toBe(then!.SSH_USER_PRIVATE_KEY);
    expect(now!.POSTGRES_WRITER_HOST).not.toBe(then!.POSTGRES_WRITER_HOST);
    // Nothing of it is left where it was, and the other tenant is.
    if (from === 'dev') {
      expect(engine.dropped).toEqual([`${before.cluster_id}/${database}`]);
      expect(part(access(before.cluster_id)!).databases).toEqual([]);
      expect(access(before.cluster_id)!.databases).toHaveLength(1);
    } else expect(engine.clusters.has(before.cluster_id)).toBe(false);
    expect((await pool.query('select from plan_change where addon_id = $1', [id])).rowCount).toBe(0);
    const { rows } = await pool.query(`select type, attributes from event where type = 'plan-change-completed'`);
    expect(rows).toEqual([{ type: 'plan-change-completed', attributes: { plan: to, address: 'changed' } }]);
  },
);

test('a copy that fails leaves the old database as it was, writable, and nothing in the other cluster', async () => {
  const { ask, settle, engine, info, before, access, database, pool } = await crossing('dev');
  engine.copyFailure = new EngineError('unsupported', 'it cannot be restored as a whole');
  await ask(ISOLATED);
  await settle();
  expect(await info()).toMatchObject({ planName: 'dev', status: 'available' });
  expect(access(before.cluster_id)!.databases.find(({ name }) => name === database)!.restricted).toBe(false);
  expect([...engine.clusters.keys()]).toEqual([before.cluster_id]);
  const { rows } = await pool.query(`select type from event where type like 'plan-change%' order by id`);
  expect(rows.map(({ type }) => type)).toEqual(['plan-change-started', 'plan-change-failed']);
  expect((await pool.query(`select from cluster where tenancy = 'isolated'`)).rowCount).toBe(0);
});

test('an engine that cannot copy now is asked again, for half an hour', async () => {
  const { ask, settle, engine, info, row, pool, change } = await crossing('dev');
  engine.copyFailure = new EngineError('not_ready', 'The cluster recovers.');
  await ask(ISOLATED);
  await settle(async () => (await change())?.state === 'copying');
  await settle(async () => (await change())?.state !== 'copying' || engine.backupsOf.size > 0);
  expect((await change()).state).toBe('copying');
  await pool.query(`update plan_change set asked_at = asked_at - interval '31 minutes'`);
  await settle();
  expect(await info()).toMatchObject({ planName: 'dev', status: 'available' });
  expect((await row()).plan).toBe('dev');
});

test('while a database is being copied, no other plan is taken on', async () => {
  const { ask, settle, change, info } = await crossing('dev');
  await ask(ISOLATED);
  await settle(async () => (await change())?.state === 'making');
  const refused = await ask('x1-s100-p2-r4');
  expect([refused.statusCode, refused.json().message]).toEqual([
    422,
    expect.stringMatching(/being moved for the plan/),
  ]);
  expect((await ask(ISOLATED)).statusCode).toBe(200);
  await settle();
  expect(await info()).toMatchObject({ planName: ISOLATED });
});

test.each(['announcing', 'leaving'])(
  'a plan asked for while it is %s follows when nothing is left elsewhere',
  async (state) => {
    const { ask, settle, change, info, row, before, engine, database, pool, config } = await crossing('dev');
    const url = config().BOREALIS_PG_URL;
    await ask(ISOLATED);
    await settle(async () => (await change())?.state === state);
    expect((await ask(ISOLATED)).json().message).toMatch(/has the plan .* already/);
    const between = (await row()).cluster_id;
    expect((await ask('dev')).statusCode).toBe(200);
    expect((await ask('dev')).json().message).toMatch(/in progress/);
    expect(await info()).toMatchObject({ planName: ISOLATED, status: 'maintenance-plan-change' });
    await settle();
    expect(await info()).toMatchObject({ planName: 'dev', status: 'available' });
    expect((await row()).cluster_id).toBe(before.cluster_id);
    expect(engine.copied).toEqual([
      `${before.cluster_id} ${between} ${database}`,
      `${between} ${before.cluster_id} ${database}`,
    ]);
    expect(engine.clusters.has(between)).toBe(false);
    expect(config().BOREALIS_PG_URL).toBe(url);
    const { rows } = await pool.query(`select type from event where type like 'plan-change%' order by id`);
    const both = ['plan-change-started', 'plan-change-completed'];
    // The second begins before what is left of the first is gone.
    expect(rows.map(({ type }) => type)).toEqual([...both, ...both]);
  },
);

test.each([
  ['the plan that it has', ISOLATED, 10],
  ['another size of it', 'x1-s100-p2-r4', 100],
])('of several plans asked for while it is leaving the last one counts: %s', async (_what, plan, storageGiB) => {
  const { ask, settle, change, info, row, engine } = await crossing('dev');
  await ask(ISOLATED);
  await settle(async () => (await change())?.state === 'leaving');
  expect((await ask('dev')).statusCode).toBe(200);
  expect((await ask(plan)).json().message).toMatch(/in progress/);
  await settle();
  expect(await info()).toMatchObject({ planName: plan, status: 'available' });
  expect(engine.copied).toHaveLength(1);
  expect(engine.clusters.get((await row()).cluster_id)!.spec.storageGiB).toBe(storageGiB);
});

test('a copy that fails leaves the size of its plan, though another one had begun before', async () => {
  const { ask, settle, engine, info, change, before } = await crossing(ISOLATED);
  const cluster = engine.clusters.get(before.cluster_id)!;
  await ask('x1-s100-p2-r4');
  await settle(async () => (await change())?.state === 'changing');
  expect(cluster.spec.memoryGiB).toBe(4);
  engine.copyFailure = new EngineError('unsupported', 'it cannot be restored as a whole');
  await ask('dev');
  await settle();
  expect(await info()).toMatchObject({ planName: ISOLATED, status: 'available' });
  expect(cluster.spec.memoryGiB).toBe(1);
});

test('a plan asked for again after it was given up is tried again once nothing is left of the first time', async () => {
  const { ask, settle, engine, info, change } = await crossing('dev');
  engine.copyFailure = new EngineError('unsupported', 'it cannot be restored as a whole');
  await ask(ISOLATED);
  await settle(async () => (await change())?.state === 'leaving');
  expect((await info()).planName).toBe('dev');
  engine.copyFailure = null;
  expect((await ask(ISOLATED)).json().message).toMatch(/in progress/);
  await settle();
  expect(await info()).toMatchObject({ planName: ISOLATED, status: 'available' });
});

test.each(['making', 'copying', 'announcing', 'leaving'])(
  'an add-on that is destroyed while it is %s leaves nothing in either cluster',
  async (state) => {
    for (const [from, to] of [
      ['dev', ISOLATED],
      [ISOLATED, 'dev'],
    ] as const) {
      const { ask, settle, change, service, id, engine, access, database, pool } = await crossing(from);
      await ask(to);
      await settle(async () => (await change())?.state === state);
      expect((await deprovision(service, id)).statusCode).toBe(204);
      await stepTo(service, id, null);
      const documents = [...engine.clusters.keys()].map(access);
      expect(documents.flatMap((document) => document?.databases.map(({ name }) => name) ?? [])).not.toContain(
        database,
      );
      expect([...engine.clusters.values()].map(({ spec }) => spec.tenancy)).toEqual(['shared']);
      expect((await pool.query(`select from cluster where tenancy = 'isolated'`)).rowCount).toBe(0);
    }
  },
);
