import { makeSshKeyPair } from '@borealis/contract';
import { expect, test } from 'vitest';
import { addPerson, availableAddon, call, type Method, useService } from './support/harness.js';

const start = useService();

type Ask = [method: Method, path: string, body?: object];

const KEY = makeSshKeyPair().publicKey;
const newIntegration = (integrationName: string, enableWriteAccess: boolean) => ({
  ...{ integrationName, sshPublicKey: KEY, enableWriteAccess },
});
const READS: Ask[] = [
  ['GET', '/db-users'],
  ['GET', '/data-integrations'],
  ['GET', '/pg-extensions'],
  ['GET', '/restore-capabilities'],
  ['GET', '/pg-version-upgrades'],
];
const CHANGES_FOR_READERS: Ask[] = [
  ['POST', '/personal-ssh-users'],
  ['POST', '/restore-tokens'],
  ['POST', '/personal-db-users', { enableWriteAccess: false }],
  ['POST', '/data-integrations', newIntegration('reader', false)],
  ['DELETE', '/data-integrations/there'],
];
const CHANGES_FOR_WRITERS: Ask[] = [
  ['POST', '/personal-db-users', { enableWriteAccess: true }],
  ['POST', '/data-integrations', newIntegration('writer', true)],
  ['POST', '/pg-extensions', { pgExtensionName: 'earthdistance' }],
  ['DELETE', '/pg-extensions/cube'],
];
const CHANGES = [...CHANGES_FOR_READERS, ...CHANGES_FOR_WRITERS];

/** An add-on with an integration and an extension, and a way to put it in any state. */
async function inhabited() {
  const harness = await start();
  const { id, name, token } = await availableAddon(harness);
  const ask = async ([method, path, body]: Ask, as = token) => {
    const answer = await call(harness.service, as, method, `${name}${path}`, body);
    return { what: `${method} ${path}`, status: answer.statusCode, ...answer.json() };
  };
  await ask(['POST', '/data-integrations', newIntegration('there', false)]);
  await ask(['POST', '/pg-extensions', { pgExtensionName: 'cube' }]);
  const become = (status: string) => harness.pool.query('update addon set status = $1 where id = $2', [status, id]);
  const rows = async () =>
    (
      await harness.pool.query(
        'select count(*)::int as n from data_integration union all select count(*) from event union all select count(*) from restore_token',
      )
    ).rows;
  return { harness, ask, become, rows };
}

async function expectAll(
  { ask, rows }: Pick<Awaited<ReturnType<typeof inhabited>>, 'ask' | 'rows'>,
  asks: Ask[],
  status: number,
  reason: unknown,
): Promise<void> {
  const before = await rows();
  for (const one of asks) expect(await ask(one)).toMatchObject({ what: `${one[0]} ${one[1]}`, status, reason });
  expect(await rows()).toEqual(before);
}

test('422: what has no database yet has nothing to ask for but its status', async () => {
  const world = await inhabited();
  await world.become('configuring');
  const sentence = 'The add-on has not finished provisioning. Try again later.';
  await expectAll(world, [...READS, ...CHANGES], 422, sentence);
  expect(await world.ask(['DELETE', '/db-users/credentials'])).toMatchObject({ status: 422, reason: sentence });
  expect(await world.ask(['GET', ''])).toMatchObject({ status: 'configuring', appDbName: null });
});

test('423: during a major version upgrade nothing is changed, and all can be read', async () => {
  const world = await inhabited();
  await world.become('maintenance-postgresql-major-version-upgrade');
  const sentence = 'A PostgreSQL major version upgrade of the add-on is running. Try again when it is finished.';
  await expectAll(world, [...CHANGES, ['DELETE', '/db-users/credentials']], 423, sentence);
  for (const read of READS) expect(await world.ask(read)).toMatchObject({ status: 200 });
  expect(await world.ask(['GET', ''])).toMatchObject({ appDbName: expect.any(String), dbStorageUsageBytes: 7_654_321 });
});

test('403: without write access readers are served and writers are not', async () => {
  const world = await inhabited();
  const sentence = expect.stringContaining(
    'Write access to the add-on database has been revoked because of the storage that it takes.',
  );
  await world.harness.pool.query('update addon set write_revoked = true');
  for (const status of ['maintenance-revoke-db-write-access', 'available']) {
    await world.become(status);
    await expectAll(world, CHANGES_FOR_WRITERS, 403, sentence);
  }
  for (const change of [...READS, ...CHANGES_FOR_READERS])
    expect([200, 201]).toContain((await world.ask(change)).status);
});

test('503: while all credentials are being reset nothing else is changed', async () => {
  const world = await inhabited();
  await world.become('maintenance-db-credentials-full-reset');
  const sentence = 'All credentials of the add-on are being reset. Try again in a moment.';
  await expectAll(world, CHANGES, 503, sentence);
});

test('404: whoever has no access finds nothing, whatever he asks', async () => {
  const world = await inhabited();
  const stranger = addPerson(world.harness.platform, 'stranger@example.com', []);
  const ask = (one: Ask) => world.ask(one, stranger);
  await expectAll(
    { ...world, ask },
    [['GET', ''], ...READS, ...CHANGES, ['DELETE', '/db-users/credentials']],
    404,
    'This is not a Borealis Isolated Postgres add-on.',
  );
});

test('404: a token that dies between two questions opens nothing', async () => {
  const world = await inhabited();
  const { platform } = world.harness;
  const [token] = platform.persons.keys();
  platform.beforeAnswer = (path) => {
    if (path === '/account') platform.persons.delete(token!);
  };
  await expectAll(world, [['POST', '/data-integrations', newIntegration('late', false)]], 404, expect.any(String));
});

test('503: a platform that is out is told, and nothing is changed', async () => {
  const world = await inhabited();
  world.harness.platform.outage = 502;
  await expectAll(world, [...READS, ...CHANGES], 503, 'The platform cannot be asked for access now. Try again later.');
});

test('400: bodies that are not understood are told what is wrong', async () => {
  const world = await inhabited();
  const wrong: [Ask, RegExp][] = [
    [['POST', '/data-integrations', { integrationName: 'x' }], /"sshPublicKey"/],
    [['POST', '/data-integrations', { sshPublicKey: KEY }], /"integrationName"/],
    [
      ['POST', '/data-integrations', { ...newIntegration('x', false), enableWriteAccess: 'yes' }],
      /"enableWriteAccess"/,
    ],
    [['POST', '/data-integrations', newIntegration('Not-Allowed', false)], /1 to 25 characters/],
    [['POST', '/data-integrations', { integrationName: 'x', sshPublicKey: 'ssh-dss AAAA' }], /its type is ssh-dss/],
    [['POST', '/pg-extensions', {}], /"pgExtensionName"/],
    [['POST', '/pg-extensions', { pgExtensionName: 'x'.repeat(64) }], /"pgExtensionName"/],
  ];
  for (const [ask, reason] of wrong) await expectAll(world, [ask], 400, expect.stringMatching(reason));
});
