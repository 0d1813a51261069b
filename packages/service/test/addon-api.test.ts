import { makeSshKeyPair } from '@borealis/contract';
import { expect, test } from 'vitest';
import {
  addPerson,
  availableAddon,
  call,
  deprovision,
  type Method,
  provision,
  provisionRequest,
  stepTo,
  useService,
} from './support/harness.js';

const start = useService();

test('info is answered at every stage, with what is known by then', async () => {
  const { service, platform } = await start();
  const request = provisionRequest(platform);
  await provision(service, request);
  const token = addPerson(platform, 'dev@example.com', [request.uuid]);
  const info = async () => (await call(service, token, 'GET', request.name)).json();
  expect(await info()).toMatchObject({ status: 'requested', appDbName: null, postgresVersion: '16' });
  await stepTo(service, request.uuid, 'serve');
  expect(await info()).toEqual({
    ...{ addonName: request.name, appDbName: expect.stringMatching(/^d[a-z0-9]{12}$/), createdAt: expect.any(String) },
    ...{ dbStorageMaxBytes: 10 * 1024 ** 3, dbStorageUsageBytes: 7_654_321, dbTenancyType: 'isolated' },
    ...{ planName: 'x1-s10-p1-r1', postgresVersion: '16.4', region: 'us-east-1', replicaQuantity: 0 },
    ...{ restoreSourceAddonName: null, status: 'available' },
    ...{ storageComplianceDeadline: null, storageComplianceStatus: 'ok', cleanupWindowAvailableAt: null },
    cleanupWindowUntil: null,
    dataAtRest: { encryption: 'AES-256-XTS (LUKS)', copyOnWrite: true },
  });
});

test('how far the off-site backup is behind is told where one is kept', async () => {
  const { service, platform, engine } = await start();
  const { name, token } = await availableAddon({ service, platform });
  const info = async () => (await call(service, token, 'GET', name)).json() as { offsiteBackup?: object };
  expect(await info()).not.toHaveProperty('offsiteBackup');
  const dumps = { newestDump: null, waitingDumps: 1 };
  engine.stored = { upTo: null, ...dumps };
  expect((await info()).offsiteBackup).toEqual({ upTo: null, secondsBehind: null, ...dumps });
  const upTo = new Date(Date.now() - 3_600_000).toISOString();
  engine.stored = { upTo, newestDump: upTo, waitingDumps: 0 };
  expect((await info()).offsiteBackup).toEqual({
    ...{ upTo, secondsBehind: expect.closeTo(3600, -3) },
    ...{ newestDump: upTo, waitingDumps: 0 },
  });
});

test('storage in use is told as last measured while the engine cannot tell', async () => {
  const { service, platform, engine } = await start();
  const { name, token } = await availableAddon({ service, platform });
  await call(service, token, 'GET', name);
  engine.before = () => {
    throw new Error('the engine is away');
  };
  const info = (await call(service, token, 'GET', name)).json();
  expect(info).toMatchObject({ dbStorageUsageBytes: 7_654_321, postgresVersion: '16', status: 'available' });
  expect(info).not.toHaveProperty('dataAtRest');
});

test('a stranger, a made-up token and a made-up name get the same 404, on every route', async () => {
  const { service, platform } = await start();
  const { id, name, token } = await availableAddon({ service, platform });
  const stranger = addPerson(platform, 'stranger@example.com', []);
  const asks: [Method, string, object?][] = [
    ['GET', ''],
    ['POST', '/personal-ssh-users'],
    ['POST', '/personal-db-users', { enableWriteAccess: true }],
    ['GET', '/db-users'],
    ['GET', '/data-integrations'],
    ['POST', '/data-integrations', { integrationName: 'stitch', sshPublicKey: makeSshKeyPair().publicKey }],
    ['DELETE', '/data-integrations/stitch'],
    ['GET', '/pg-extensions'],
    ['GET', '/restore-capabilities'],
    ['POST', '/restore-tokens'],
    ['POST', '/pg-extensions', { pgExtensionName: 'cube' }],
    ['DELETE', '/pg-extensions/cube'],
  ];
  for (const [method, path, body] of asks) {
    const answers = await Promise.all([
      call(service, stranger, method, `${name}${path}`, body),
      call(service, stranger, method, `${id}${path}`, body),
      call(service, 'made-up', method, `${name}${path}`, body),
      call(service, token, method, `no-such-name${path}`, body),
      call(service, token, method, `%00%2e%2e${path}`, body),
    ]);
    for (const answer of answers) {
      expect([answer.statusCode, answer.json()]).toEqual([
        404,
        { reason: 'This is not a Borealis Isolated Postgres add-on.', resourceType: 'addon' },
      ]);
    }
  }
});

test('access that was taken away at the platform is gone with the next request', async () => {
  const { service, platform } = await start();
  const { name, token } = await availableAddon({ service, platform });
  expect((await call(service, token, 'GET', name)).statusCode).toBe(200);
  platform.persons.get(token)!.addons.clear();
  expect((await call(service, token, 'GET', name)).statusCode).toBe(404);
});

test('a renamed add-on is found under its new name only, also when another one takes the old', async () => {
  const { service, platform, pool } = await start();
  const first = await availableAddon({ service, platform });
  const second = await availableAddon({ service, platform });
  platform.addons.get(first.id)!.name = 'renamed-12345';
  expect((await call(service, first.token, 'GET', first.name)).statusCode).toBe(404);
  expect((await call(service, first.token, 'GET', 'renamed-12345')).json().addonName).toBe('renamed-12345');
  platform.addons.get(second.id)!.name = first.name;
  expect((await call(service, second.token, 'GET', first.name)).statusCode).toBe(200);
  expect((await call(service, first.token, 'GET', first.name)).statusCode).toBe(404);
  const { rows } = await pool.query('select id, name from addon order by name');
  expect(rows).toEqual([
    { id: second.id, name: first.name },
    { id: first.id, name: 'renamed-12345' },
  ]);
});

test('an add-on that is being removed is not there any more', async () => {
  const { service, platform } = await start();
  const { id, name, token } = await availableAddon({ service, platform });
  await deprovision(service, id);
  expect((await call(service, token, 'GET', name)).statusCode).toBe(404);
  expect((await call(service, token, 'POST', `${name}/personal-ssh-users`)).statusCode).toBe(404);
});

test('a platform that is out is told as such', async () => {
  const { service, platform } = await start();
  const { name, token } = await availableAddon({ service, platform });
  platform.outage = 503;
  const answer = await call(service, token, 'GET', name);
  expect([answer.statusCode, answer.json().reason]).toEqual([503, expect.stringMatching(/Try again later/)]);
});

test('bad requests get a reason', async () => {
  const { service, platform } = await start();
  const { name, token } = await availableAddon({ service, platform });
  const url = `/heroku/resources/${name}/personal-db-users`;
  const post = (payload: string, authorization: string | null = `Bearer ${token}`) => {
    const headers = { 'content-type': 'application/json', ...(authorization && { authorization }) };
    return service.app.inject({ method: 'POST', url, payload, headers });
  };
  const cases: [string, string | null | undefined, number, RegExp][] = [
    ['{"enableWriteAccess":"yes"}', undefined, 400, /"enableWriteAccess"/],
    ['{}', undefined, 400, /"enableWriteAccess"/],
    ['{', undefined, 400, /not valid JSON/],
    ['{"enableWriteAccess":true}', null, 401, /credentials/],
    ['{"enableWriteAccess":true}', 'Basic eDp5', 401, /credentials/],
  ];
  for (const [payload, authorization, status, reason] of cases) {
    const answer = await post(payload, authorization);
    expect([payload, answer.statusCode, answer.json().reason]).toEqual([
      payload,
      status,
      expect.stringMatching(reason),
    ]);
  }
});

test('private app tunnels do not exist, and what is not made yet answers 404 with a reason', async () => {
  const { service, platform } = await start();
  const { id, name, token } = await availableAddon({ service, platform });
  const body = { clientId: 'web.1_x', autoDestroyDelaySeconds: 4500 };
  const tunnels = await call(service, token, 'POST', `${id}/private-app-tunnels`, body);
  expect([tunnels.statusCode, tunnels.json().reason]).toEqual([404, expect.stringMatching(/private app tunnels/)]);
  const later = await call(service, token, 'GET', `${name}/no-such-thing`);
  expect([later.statusCode, later.json()]).toEqual([404, { reason: 'There is nothing at this address.' }]);
});

test.each(['/%zz', '/heroku/resources/%zz', `/heroku/resources/${'x'.repeat(3000)}`, '/nothing', '/heroku/resources'])(
  'an address that is none, %s, gets a sentence',
  async (url) => {
    const { service } = await start();
    const answer = await service.app.inject({ url });
    expect([answer.statusCode, answer.json().message ?? answer.json().reason]).toEqual([
      404,
      'There is nothing at this address.',
    ]);
  },
);
