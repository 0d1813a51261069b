import { EngineError } from '@borealis/engine';
import { expect, test } from 'vitest';
import { type Harness, OPERATOR, provision, provisionRequest, stepTo, useService } from './support/harness.js';

const start = useService();
const PLACE = 'home01-tenants-old';
const DUMP = {
  ...{ takenAt: '2026-01-01T01:00:00.000000Z', seconds: 1, bytes: 10, databaseBytes: 8_000_000, tables: 1, rows: 2 },
  proof: null,
};

async function begin() {
  const harness = await start();
  const bad = { at: '2026-01-03T02:00:00Z', seconds: 1, failure: 'Its file is gone.' };
  const checked = { tables: 0, rows: 0, objects: 0, indexes: 0 };
  harness.engine.storedDatabases.set(PLACE, {
    ...{ major: '16', database: 'old', owner: 'app_rw_old' },
    dumps: [
      { ...DUMP, name: 'n1' },
      { ...DUMP, name: 'n2' },
      { ...DUMP, name: 'n3', proof: { ...bad, checked } },
    ],
  });
  const token = async (backup: string) => {
    const url = `/operator/backups/${encodeURIComponent(backup)}/restore-tokens`;
    return harness.service.app.inject({ method: 'POST', url, headers: { authorization: OPERATOR } });
  };
  const request = async (backup: string, options: Record<string, string> = {}, more: Record<string, unknown> = {}) => {
    const { restoreToken } = (await token(backup)).json();
    return provisionRequest(harness.platform, {
      options: { 'restore-token': restoreToken, version: '16', ...options },
      ...more,
    });
  };
  return { ...harness, token, request };
}

const databaseOf = async ({ pool }: Pick<Harness, 'pool'>, id: string) =>
  (await pool.query('select database_name as name from addon where id = $1', [id])).rows[0]?.name as string;

test.each([
  [PLACE, 'n2', 'dev'],
  [`${PLACE}/n1`, 'n1', 'x1-s10-p1-r1'],
])('a new add-on is made of the dump that %s means', async (backup, dump, plan) => {
  const harness = await begin();
  const request = await harness.request(backup, {}, { plan });
  expect((await provision(harness.service, request)).statusCode).toBe(202);
  await stepTo(harness.service, request.uuid, 'fillDatabase');
  expect(harness.platform.addons.get(request.uuid)?.config).toEqual({});
  await stepTo(harness.service, request.uuid, 'serve');
  const database = await databaseOf(harness, request.uuid);
  expect([...harness.engine.filled]).toEqual([[database, { backup: PLACE, dump }]]);
});

test('what there is not, and a moment, are refused; a dump that cannot be used is given up', async () => {
  const harness = await begin();
  for (const name of [`${PLACE}/n9`, 'home01-tenants-new'])
    expect((await harness.token(name)).json().message).toBe(`The object store has no backup "${name}".`);
  expect((await harness.token('../up')).statusCode).toBe(400);
  const past = await provision(
    harness.service,
    await harness.request(PLACE, { 'restore-to-time': '2026-01-01T00:00:00Z' }),
  );
  expect([past.statusCode, past.json().message]).toEqual([422, expect.stringContaining('has one moment only')]);

  const request = await harness.request(PLACE, {}, { plan: 'dev' });
  await provision(harness.service, request);
  await stepTo(harness.service, request.uuid, 'fillDatabase');
  const broken = new EngineError('unsupported', 'The backup cannot be used: it is damaged.');
  harness.engine.before = async (method) => {
    if (method === 'fillDatabase') throw broken;
  };
  await stepTo(harness.service, request.uuid, null);
  expect(await databaseOf(harness, request.uuid)).toBeUndefined();
  expect(harness.platform.addons.has(request.uuid)).toBe(false);
});
