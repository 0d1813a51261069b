import type { MajorUpgrade } from '@borealis/contract';
import { EngineError, type EngineErrorCode } from '@borealis/engine';
import { expect, test } from 'vitest';
import { availableAddon, call, deprovision, stepTo, until, useService } from './support/harness.js';

const start = useService();

const VERSIONS = { from: '16.4', to: '17.4' };
const running = (stage: 'rehearsing' | 'copying' | 'switching'): MajorUpgrade => ({
  ...{ state: 'running', stage, ...VERSIONS },
  sentence: `It is ${stage}`,
});
const DONE: MajorUpgrade = {
  ...{ state: 'done', ...VERSIONS, pauseMs: 512, kept: 7, closed: { types: 1, late: 1 } },
  revertibleUntil: '2026-03-05T15:05:17.485Z',
};
const FAILED: MajorUpgrade = { state: 'failed', ...VERSIONS, findings: ['The one.', 'The other.'] };
const PATH = '/pg-version-upgrades';

async function withAddon(more: Record<string, unknown> = {}) {
  const harness = await start();
  const { service, pool, engine, platform } = harness;
  const addon = await availableAddon(harness, more);
  const request = async (): Promise<string> => (await pool.query('select request from major_upgrade')).rows[0]?.request;
  const ask = async (method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) => {
    const answer = await call(service, addon.token, method, `${addon.name}${path}`, body);
    return { status: answer.statusCode, ...answer.json() };
  };
  const step = async (by = service) => by.strands.step(await request());
  const isRehearsed = async () =>
    (await pool.query("select from major_upgrade where state = 'ended' or answer->>'stage' <> 'rehearsing'"))
      .rowCount === 1;
  return {
    ...{ harness, addon, engine, pool, platform, service, ask, step, request },
    /** Asks for the upgrade and lets its strand work until it is known what comes of the rehearsal. */
    execute: async (body?: object) => {
      const before = await request();
      const asking = ask('POST', PATH, body).then((answer) => answer);
      await until(async () => (await request()) !== before, 'the upgrade to be written down');
      while (!(await isRehearsed())) await step();
      return asking;
    },
    addonRow: async () =>
      (await pool.query('select postgres_major, status from addon where id = $1', [addon.id])).rows[0],
    mails: async () =>
      (await pool.query('select subject, body from mail order by written_at, id')).rows.map(({ subject, body }) => ({
        subject: subject.replace(addon.name, 'IT'),
        body,
      })),
  };
}

const UPGRADING = 'maintenance-postgresql-major-version-upgrade';
const AVAILABLE = { currentPgMajorVersion: '16', nextPgMajorVersion: '17', upgradeStatus: 'available' };

test('an upgrade is begun, shown while it runs, and leaves the add-on with its next version', async () => {
  const { ask, execute, step, engine, addon, platform, addonRow, mails, pool } = await withAddon();
  const vars = { ...platform.addons.get(addon.id)!.config };
  expect(await ask('GET', PATH)).toMatchObject({ ...AVAILABLE, availablePgMajorVersions: ['17', '18'], last: null });
  engine.majorUpgrades = [running('rehearsing'), running('copying'), running('switching'), DONE];
  expect(await execute()).toEqual({ status: 202, currentPgMajorVersion: '16', targetPgMajorVersion: '17' });
  expect(await ask('GET', PATH)).toMatchObject({
    ...{ ...AVAILABLE, upgradeStatus: 'upgrading' },
    progress: { stage: 'copying', sentence: 'It is copying' },
  });
  expect(await ask('GET', '')).toMatchObject({ status: UPGRADING });
  expect(await ask('POST', '/restore-tokens')).toMatchObject({ status: 423 });
  await step();
  expect(await addonRow()).toEqual({ postgres_major: '16', status: UPGRADING });
  expect(await step()).toMatchObject({ outcome: 'done' });
  expect(await addonRow()).toEqual({ postgres_major: '17', status: 'available' });
  expect((await pool.query('select postgres_major from cluster')).rows).toEqual([{ postgres_major: '17' }]);
  expect(await ask('GET', PATH)).toMatchObject({
    ...{ currentPgMajorVersion: '17', nextPgMajorVersion: '18', upgradeStatus: 'available', progress: null },
    last: { outcome: 'done', from: '16.4', to: '17.4', findings: [], revertibleUntil: '2026-03-05T15:05:17.485Z' },
  });
  expect(platform.addons.get(addon.id)!.config).toEqual(vars);
  const [begun, completed, ...rest] = await mails();
  expect(begun!.subject).toBe('IT is being upgraded from PostgreSQL 16.4 to 17.4');
  expect(begun!.body).toContain(`heroku borealis-pg:upgrade:cancel --addon ${addon.name}`);
  expect(completed!.subject).toBe('IT runs PostgreSQL 17.4 now');
  expect(completed!.body).toContain('Queries waited for 512 ms; 2 sessions were closed.');
  expect(rest).toEqual([]);
});

test('the engine is asked for one upgrade under one name, whichever process asks', async () => {
  const { execute, step, engine, harness, addonRow, request, pool } = await withAddon();
  engine.majorUpgrades = [running('copying'), running('switching'), DONE];
  await execute({ targetPgMajorVersion: '18' });
  const another = await harness.another();
  await step(another);
  await step(another);
  const { cluster_id } = (await pool.query('select cluster_id from addon')).rows[0];
  const asked = { id: cluster_id, request: await request(), major: '18', patienceSeconds: 300 };
  expect(engine.majorAsked).toEqual([asked, asked, asked]);
  expect(await addonRow()).toEqual({ postgres_major: '18', status: 'available' });
});

test('what a rehearsal finds in time is the reason of a 400, and nothing is changed', async () => {
  const { execute, ask, engine, addonRow, mails, harness, request } = await withAddon();
  engine.majorUpgrades = [running('rehearsing'), FAILED];
  expect(await execute()).toEqual({ status: 400, reason: 'The one. The other.' });
  expect(await addonRow()).toEqual({ postgres_major: '16', status: 'available' });
  expect(await mails()).toMatchObject([
    {
      subject: 'IT could not be upgraded from PostgreSQL 16.4 to 17.4',
      body: expect.stringContaining('- The other.\n'),
    },
  ]);
  expect(harness.logged()).toContain('major-upgrade-failed');
  expect(await ask('GET', PATH)).toMatchObject({
    ...AVAILABLE,
    last: { outcome: 'failed', findings: ['The one.', 'The other.'], revertibleUntil: null },
  });
  const before = await request();
  engine.majorUpgrades = [running('copying')];
  expect((await execute()).status).toBe(202);
  expect(await request()).not.toBe(before);
});

test('an upgrade that is given up leaves what was there', async () => {
  const { execute, ask, step, engine, addonRow, mails, request } = await withAddon();
  engine.majorUpgrades = [running('copying')];
  await execute();
  engine.majorUpgrades = [running('copying'), { state: 'cancelled', ...VERSIONS }];
  const cancelling = ask('DELETE', `${PATH}/current`).then((answer) => answer);
  await until(async () => (await ask('GET', PATH)).progress?.stage === null, 'the wish to be written down');
  const [outcomes, asked] = [[] as unknown[], await request()];
  for (let steps = 0; steps < 4 && outcomes.at(-1) !== 'done'; steps++) outcomes.push((await step())?.outcome);
  expect(outcomes).toEqual(['go', 'nap', 'done']);
  expect(await cancelling).toEqual({ status: 200 });
  expect(engine.majorAsked.at(-1)).toEqual({ id: expect.any(String), request: asked });
  expect(await addonRow()).toEqual({ postgres_major: '16', status: 'available' });
  expect((await mails()).map(({ subject }) => subject)).toEqual([
    'IT is being upgraded from PostgreSQL 16.4 to 17.4',
    'The upgrade of IT to PostgreSQL 17.4 was cancelled',
  ]);
  expect(await ask('DELETE', `${PATH}/current`)).toMatchObject({
    status: 400,
    reason: expect.stringMatching(/no .*in progress/),
  });
});

test('what is given up too late is upgraded', async () => {
  const { execute, ask, step, engine, addonRow } = await withAddon();
  engine.majorUpgrades = [running('switching'), DONE];
  await execute();
  engine.before = (name) => {
    if (name === 'cancelMajorUpgrade') throw new EngineError('conflict', 'It has switched over.');
  };
  const cancelling = ask('DELETE', `${PATH}/current`).then((answer) => answer);
  await until(async () => (await ask('GET', PATH)).progress?.stage === null, 'the wish to be written down');
  while ((await addonRow()).status !== 'available') await step();
  expect(await cancelling).toMatchObject({
    status: 400,
    reason: 'It is too late: PostgreSQL 17.4 has taken over already.',
  });
  expect(await addonRow()).toEqual({ postgres_major: '17', status: 'available' });
});

test('one that was asked for twice runs once', async () => {
  const { execute, ask, engine, pool } = await withAddon();
  engine.majorUpgrades = [running('copying')];
  await execute();
  expect(await ask('POST', PATH)).toMatchObject({ status: 409, reason: expect.stringMatching(/running already/) });
  expect((await pool.query("select from strands.strand where kind = 'major-upgrade'")).rowCount).toBe(1);
});

test.each<[what: string, sql: string, status: number, reason: RegExp, body?: object]>([
  ['no database yet', "update addon set status = 'configuring'", 422, /not finished provisioning/],
  ['another maintenance', "update addon set status = 'maintenance-plan-change'", 409, /under maintenance/],
  [
    'a plan change that is not announced yet',
    "insert into plan_change (addon_id, plan, state) select id, plan, 'announcing' from addon",
    409,
    /under maintenance/,
  ],
  ['no write access', 'update addon set write_revoked = true', 403, /Write access/],
  ['the newest version', "update addon set postgres_major = '18'", 400, /no newer version/],
  [
    'an older version',
    '',
    400,
    /cannot be upgraded to 15\. Versions that it can: 17, 18/,
    { targetPgMajorVersion: '15' },
  ],
  ['no version', '', 400, /targetPgMajorVersion/, { targetPgMajorVersion: 'seventeen' }],
])('with %s nothing is begun', async (_what, sql, status, reason, body) => {
  const { ask, pool, engine } = await withAddon();
  await pool.query(sql);
  expect(await ask('POST', PATH, body)).toMatchObject({ status, reason: expect.stringMatching(reason) });
  expect((await pool.query('select from major_upgrade')).rowCount).toBe(0);
  expect(engine.majorAsked).toEqual([]);
});

test('what shares a cluster is upgraded by the service, and says so', async () => {
  const { ask } = await withAddon({ plan: 'dev' });
  expect(await ask('GET', PATH)).toMatchObject({ ...AVAILABLE, automatic: true });
  expect(await ask('POST', PATH)).toMatchObject({ status: 400, reason: expect.stringMatching(/shares its cluster/) });
});

test('an engine that is out is asked again; one that refuses for good ends it', async () => {
  const { execute, step, engine, addonRow, mails } = await withAddon();
  engine.majorUpgrades = [running('copying')];
  await execute();
  let code: EngineErrorCode = 'unavailable';
  engine.before = (name) => {
    if (name === 'upgradeMajor') throw new EngineError(code, 'Not so.');
  };
  for (let tries = 0; tries < 12; tries++) expect(await step()).toMatchObject({ outcome: 'nap' });
  code = 'unsupported';
  expect(await step()).toMatchObject({ outcome: 'done' });
  expect(await addonRow()).toEqual({ postgres_major: '16', status: 'available' });
  expect((await mails()).at(-1)!.body).toContain('- Not so.\n');
});

test('what the engine never takes on is given up after half an hour', async () => {
  const { ask, step, engine, addonRow, pool } = await withAddon();
  engine.before = (name) => {
    if (name === 'upgradeMajor') throw new EngineError('conflict', 'The server is just being restarted.');
    if (name === 'cancelMajorUpgrade') throw new EngineError('not_found', 'There is no such upgrade.');
  };
  const asking = ask('POST', PATH).then((answer) => answer);
  await until(async () => (await addonRow()).status === UPGRADING, 'the upgrade to begin');
  await step();
  expect(await step()).toMatchObject({ outcome: 'nap' });
  await pool.query("update major_upgrade set due_at = now() - interval '31 minutes'");
  expect(await step()).toMatchObject({ outcome: 'go', next: 'cancelMajorUpgrade' });
  expect(await step()).toMatchObject({ outcome: 'done' });
  expect(await asking).toEqual({ status: 400, reason: 'The server is just being restarted.' });
  expect(await addonRow()).toEqual({ postgres_major: '16', status: 'available' });
});

test('an add-on that is destroyed in the middle takes its upgrade along', async () => {
  const { execute, step, engine, service, addon, pool, request } = await withAddon();
  engine.majorUpgrades = [running('copying')];
  await execute();
  const strand = await request();
  expect((await deprovision(service, addon.id)).statusCode).toBe(204);
  await stepTo(service, addon.id, null);
  expect((await pool.query('select from major_upgrade')).rowCount).toBe(0);
  expect(await service.strands.step(strand)).toMatchObject({ outcome: 'done' });
  expect(await step()).toBeNull();
});
