import { makeSshKeyPair } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import { expect, test } from 'vitest';
import { passwordFits } from './support/fake-engine.js';
import {
  addPerson,
  availableAddon,
  call,
  deprovision,
  type Harness,
  provision,
  provisionRequest,
  stepTo,
  useService,
} from './support/harness.js';

const start = useService();
const KEY = makeSshKeyPair().publicKey;

type Owned = Awaited<ReturnType<typeof availableAddon>>;

function register({ service }: Pick<Harness, 'service'>, { name, token }: Owned, more: object = {}) {
  const body = { integrationName: 'stitch', sshPublicKey: `${KEY} etl`, enableWriteAccess: false, ...more };
  return call(service, token, 'POST', `${name}/data-integrations`, body);
}

const remove = ({ service }: Pick<Harness, 'service'>, { name, token }: Owned, integration = 'stitch') =>
  call(service, token, 'DELETE', `${name}/data-integrations/${integration}`);

async function list({ service }: Pick<Harness, 'service'>, { name, token }: Owned) {
  return (await call(service, token, 'GET', `${name}/data-integrations`)).json().integrations;
}

async function events({ pool }: Harness) {
  const { rows } = await pool.query("select type, attributes from event where type like 'data-%' order by id");
  return rows.map(({ type, attributes }) => [type.slice('data-integration-'.length), attributes]);
}

const usersOf = ({ engine }: Harness) => engine.access.tunnelUsers.filter(({ kind }) => kind === 'integration');

test('a registered service has a tunnel user and a role of its own by the time of the answer', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  const [reader, writer] = [
    await register(harness, addon),
    await register(harness, addon, { integrationName: 'fivetran', enableWriteAccess: true }),
  ];
  const [cluster] = harness.engine.clusters.values();
  const { database } = harness.engine.access.roles[0]!;
  expect([reader.statusCode, writer.statusCode]).toEqual([201, 201]);
  expect(reader.json()).toEqual({
    ...{ dbHost: `replica.${cluster!.id}.borealis.internal`, dbPort: 5432, dbName: database },
    ...{ dbUsername: 'di_ro_stitch', dbPassword: expect.stringMatching(/^[A-Za-z0-9]{32}$/) },
    ...{ sshHost: '127.1.2.3', sshPort: 22, sshUsername: expect.stringMatching(/^di-[a-z0-9]{12}$/) },
    publicSshHostKey: cluster!.gateway!.hostKey,
  });
  expect(writer.json()).toMatchObject({
    dbHost: `primary.${cluster!.id}.borealis.internal`,
    dbUsername: 'di_rw_fivetran',
  });
  for (const { dbUsername, dbPassword, sshUsername } of [reader.json(), writer.json()]) {
    expect(passwordFits(harness.engine, dbUsername, dbPassword)).toBe(true);
    expect(usersOf(harness).find(({ username }) => username === sshUsername)).toEqual({
      ...{ username: sshUsername, kind: 'integration', label: dbUsername.slice('di_ro_'.length), publicKeys: [KEY] },
      ...{ database, roles: [dbUsername], validUntil: null },
    });
  }
  expect(await list(harness, addon)).toEqual([
    {
      ...{ name: 'stitch', dbUsername: 'di_ro_stitch', sshUsername: reader.json().sshUsername },
      ...{ writeAccess: false, createdAt: expect.stringMatching(/^\d{4}-.*Z$/) },
    },
    expect.objectContaining({ name: 'fivetran', writeAccess: true }),
  ]);
  expect(await events(harness)).toEqual([
    ['registered', { integration: 'stitch', write_access: false, user: 'dev@example.com' }],
    ['registered', { integration: 'fivetran', write_access: true, user: 'dev@example.com' }],
  ]);
});

test('the password is told once and stands nowhere', async () => {
  const harness = await start();
  const { dbPassword } = (await register(harness, await availableAddon(harness))).json();
  const { rows } = await harness.pool.query('select row_to_json(d)::text as row from data_integration d');
  expect(rows[0].row).not.toContain(dbPassword);
  expect(harness.logged()).not.toContain(dbPassword);
});

test('a name that is not allowed is refused with what is, and nothing changes', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  for (const integrationName of ['', 'a'.repeat(26), 'Stitch', 'my-etl', 'etl 1', 'étl', 'x;drop', '../x', 'a\n']) {
    const answer = await register(harness, addon, { integrationName });
    expect([integrationName, answer.statusCode, answer.json().reason]).toEqual([
      ...[integrationName, 400],
      'The name of a data integration must have 1 to 25 characters: lowercase letters, digits and underscores (_).',
    ]);
  }
  expect((await harness.pool.query('select from data_integration')).rowCount).toBe(0);
});

test('the longest name is taken, and a private key is refused without a trace of it', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  const longest = await register(harness, addon, { integrationName: 'a'.repeat(25) });
  expect(longest.json().dbUsername).toBe(`di_ro_${'a'.repeat(25)}`);
  const { privateKey } = makeSshKeyPair();
  const refused = await register(harness, addon, { sshPublicKey: privateKey.reveal() });
  expect([refused.statusCode, refused.json().reason]).toEqual([400, expect.stringMatching(/it is a private key/)]);
  expect(harness.logged()).not.toContain(privateKey.reveal().slice(60, 80));
});

test('a name is given once; the same one again after its removal', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  const first = (await register(harness, addon)).json();
  const again = await register(harness, addon, { enableWriteAccess: true });
  expect([again.statusCode, again.json().reason]).toEqual([
    409,
    'A data integration with the name "stitch" is already registered.',
  ]);
  expect(passwordFits(harness.engine, 'di_ro_stitch', first.dbPassword)).toBe(true);
  expect((await remove(harness, addon)).json()).toEqual({ success: true });
  const second = (await register(harness, addon)).json();
  expect(second.sshUsername).not.toBe(first.sshUsername);
  expect(passwordFits(harness.engine, 'di_ro_stitch', first.dbPassword)).toBe(false);
});

test('of many that register one name at the same moment one is told that it has it', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  const answers = await Promise.all(Array.from({ length: 5 }, () => register(harness, addon)));
  const [winner, ...others] = answers.filter(({ statusCode }) => statusCode === 201);
  expect(others).toEqual([]);
  expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([201, 409, 409, 409, 409]);
  expect(passwordFits(harness.engine, 'di_ro_stitch', winner!.json().dbPassword)).toBe(true);
  expect(usersOf(harness).map(({ username }) => username)).toEqual([winner!.json().sshUsername]);
});

test('an add-on has ten of them at the most, however they come', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  const names = Array.from({ length: 13 }, (_, n) => `etl_${n}`);
  const answers = await Promise.all(names.map((integrationName) => register(harness, addon, { integrationName })));
  expect(answers.filter(({ statusCode }) => statusCode === 201)).toHaveLength(10);
  const refused = answers.find(({ statusCode }) => statusCode !== 201)!;
  expect([refused.statusCode, refused.json().reason]).toEqual([
    400,
    'An add-on can have 10 data integrations at the most. Remove one of them first.',
  ]);
  const [gone] = await list(harness, addon);
  await remove(harness, addon, gone.name);
  expect((await register(harness, addon)).statusCode).toBe(201);
});

test('a removed one is out of the document, and its tunnels and sessions are closed, before the answer', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  const { sshUsername } = (await register(harness, addon)).json();
  let listedWhenClosed: number | undefined;
  harness.engine.before = (what) => {
    if (what === 'closeSessions') listedWhenClosed = usersOf(harness).length;
  };
  expect((await remove(harness, addon)).statusCode).toBe(200);
  expect(listedWhenClosed).toBe(0);
  expect(harness.engine.closed).toEqual([
    expect.objectContaining({ tunnelUsers: [sshUsername], roles: ['di_ro_stitch'] }),
  ]);
  expect(harness.engine.access.roles.some(({ name }) => name.startsWith('di_'))).toBe(false);
  expect(await list(harness, addon)).toEqual([]);
  expect((await events(harness)).at(-1)).toEqual(['deregistered', { integration: 'stitch', user: 'dev@example.com' }]);
  const again = await remove(harness, addon);
  expect([again.statusCode, again.json()]).toEqual([
    404,
    { reason: 'There is no data integration of this name.', resourceType: 'integration' },
  ]);
});

/** Every call of that name fails as if the process had been killed before it. */
function killedBefore({ engine }: Harness, name: string): void {
  engine.before = (what) => {
    if (what === name) throw new EngineError('internal', 'killed');
  };
}

test.each(['applyAccess', 'closeSessions'])(
  'a removal that was killed before %s is finished by the strand',
  async (moment) => {
    const harness = await start();
    const addon = await availableAddon(harness);
    const { sshUsername } = (await register(harness, addon)).json();
    killedBefore(harness, moment);
    expect((await remove(harness, addon)).statusCode).toBe(500);
    expect((await register(harness, addon)).statusCode).toBe(409);
    harness.engine.before = () => {};
    await harness.service.strands.step(addon.id);
    expect(usersOf(harness)).toEqual([]);
    expect(harness.engine.closed.at(-1)).toMatchObject({ tunnelUsers: [sshUsername], roles: ['di_ro_stitch'] });
    expect(await list(harness, addon)).toEqual([]);
    expect((await events(harness)).map(([type]) => type)).toEqual(['registered', 'deregistered']);
    expect((await register(harness, addon)).statusCode).toBe(201);
  },
);

test('a removal that failed can be asked for again', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  await register(harness, addon);
  killedBefore(harness, 'applyAccess');
  await remove(harness, addon);
  harness.engine.before = () => {};
  expect((await remove(harness, addon)).statusCode).toBe(200);
  expect((await events(harness)).map(([type]) => type)).toEqual(['registered', 'deregistered']);
});

test.each(['applyAccess', 'cluster'])('a registration that was killed before %s can be made anew', async (moment) => {
  const harness = await start();
  const addon = await availableAddon(harness);
  killedBefore(harness, moment);
  expect((await register(harness, addon)).statusCode).toBe(500);
  harness.engine.before = () => {};
  await harness.service.strands.step(addon.id);
  expect(await events(harness)).toEqual([]);
  const made = (await register(harness, addon, { enableWriteAccess: true })).json();
  expect(passwordFits(harness.engine, 'di_rw_stitch', made.dbPassword)).toBe(true);
  expect(usersOf(harness).map(({ username }) => username)).toEqual([made.sshUsername]);
  expect((await events(harness)).map(([type]) => type)).toEqual(['registered']);
});

test('a name that is removed while it is being registered is not told as registered', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  let removal: ReturnType<typeof remove> | undefined;
  harness.engine.before = async (what) => {
    if (what !== 'cluster' || removal) return;
    removal = remove(harness, addon);
    await removal;
  };
  const answer = await register(harness, addon);
  expect([answer.statusCode, (await removal!).statusCode]).toEqual([409, 200]);
  expect(usersOf(harness)).toEqual([]);
});

test('a database that is just recovering is waited for', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  let refusals = 2;
  harness.engine.before = (what) => {
    if (what === 'applyAccess' && refusals-- > 0) throw new EngineError('not_ready', 'recovering');
  };
  expect((await register(harness, addon)).statusCode).toBe(201);
});

test('tenants of a shared cluster may use one name; their role names tell nothing', async () => {
  const harness = await start();
  const [one, two] = [await availableAddon(harness, { plan: 'dev' }), await availableAddon(harness, { plan: 'dev' })];
  const [first, second] = [(await register(harness, one)).json(), (await register(harness, two)).json()];
  expect(first.dbUsername).toMatch(/^di_ro_[a-z0-9]{12}$/);
  expect(first.dbUsername).not.toBe(second.dbUsername);
  expect(first.sshUsername).not.toBe(second.sshUsername);
  expect(usersOf(harness).map(({ roles }) => roles)).toContainEqual([first.dbUsername]);
  expect((await list(harness, one)).map(({ name }: { name: string }) => name)).toEqual(['stitch']);
  await remove(harness, one);
  expect(usersOf(harness).map(({ username }) => username)).toEqual([second.sshUsername]);
});

test('a person’s tunnel does not lead to an integration whose name looks like his own', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  const { sshUsername } = (await call(harness.service, addon.token, 'POST', `${addon.name}/personal-ssh-users`)).json();
  await register(harness, addon, { integrationName: `x_${sshUsername.slice('p-'.length)}` });
  const person = harness.engine.access.tunnelUsers.find(({ username }) => username === sshUsername)!;
  expect(person.roles.some((role) => role.startsWith('di_'))).toBe(false);
});

test('before the add-on is available, and once it is being removed, nothing can be registered', async () => {
  const harness = await start();
  const request = provisionRequest(harness.platform);
  await provision(harness.service, request);
  await stepTo(harness.service, request.uuid, 'setConfigVars');
  const token = addPerson(harness.platform, 'dev@example.com', [request.uuid]);
  const early = { id: request.uuid, name: request.name, token, logToken: '' };
  expect((await register(harness, early)).statusCode).toBe(422);
  expect((await remove(harness, early)).statusCode).toBe(422);
  await stepTo(harness.service, request.uuid, 'serve');
  expect((await register(harness, early)).statusCode).toBe(201);
  await deprovision(harness.service, request.uuid);
  expect((await register(harness, early, { integrationName: 'late' })).statusCode).toBe(404);
  await stepTo(harness.service, request.uuid, null);
  expect((await harness.pool.query('select from data_integration')).rowCount).toBe(0);
});
