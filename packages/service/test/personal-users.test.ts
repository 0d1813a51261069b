import { EngineError } from '@borealis/engine';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { type FakeEngine, passwordFits } from './support/fake-engine.js';
import { addPerson, availableAddon, call, provision, provisionRequest, stepTo, useService } from './support/harness.js';

const start = useService();

const tunnelUser = (engine: FakeEngine, username: string) =>
  engine.access.tunnelUsers.find((user) => user.username === username);

test('a person gets a key and a password that the gateway knows by the time of the answer', async () => {
  const { service, platform, engine } = await start();
  const { name, token } = await availableAddon({ service, platform });
  const [ssh, db] = await Promise.all([
    call(service, token, 'POST', `${name}/personal-ssh-users`),
    call(service, token, 'POST', `${name}/personal-db-users`, { enableWriteAccess: true }),
  ]);
  expect([ssh.statusCode, db.statusCode]).toEqual([201, 201]);
  const [cluster] = engine.clusters.values();
  expect(ssh.json()).toMatchObject({ sshHost: '127.1.2.3', sshPort: 22, publicSshHostKey: cluster!.gateway!.hostKey });
  expect(db.json()).toMatchObject({ dbHost: `primary.${cluster!.id}.borealis.internal`, dbPort: 5432 });
  expect(db.json().caCertificate).toMatch(/BEGIN CERTIFICATE/);
  expect(db.json().dbUsername).toMatch(/^p_rw_/);
  expect(passwordFits(engine, db.json().dbUsername, db.json().dbPassword)).toBe(true);
  const user = tunnelUser(engine, ssh.json().sshUsername)!;
  expect(user).toMatchObject({ kind: 'personal', label: 'dev@example.com' });
  expect(user.roles).toContain(db.json().dbUsername);
  const hours = (Date.parse(user.validUntil!) - Date.now()) / 3_600_000;
  expect(hours).toBeGreaterThan(11.9);
  expect(hours).toBeLessThanOrEqual(12);
});

test('the next command gets new ones under the same names, and the last ones are worth nothing', async () => {
  const { service, platform, engine } = await start();
  const { name, token } = await availableAddon({ service, platform });
  const issue = async (enableWriteAccess: boolean) => {
    const ssh = await call(service, token, 'POST', `${name}/personal-ssh-users`);
    const db = await call(service, token, 'POST', `${name}/personal-db-users`, { enableWriteAccess });
    return { ssh: ssh.json(), db: db.json(), key: tunnelUser(engine, ssh.json().sshUsername)!.publicKeys[0]! };
  };
  const first = await issue(false);
  expect(first.db.dbHost).toMatch(/^replica\./);
  const second = await issue(false);
  expect(second.ssh.sshUsername).toBe(first.ssh.sshUsername);
  expect(second.db.dbUsername).toBe(first.db.dbUsername);
  expect(passwordFits(engine, first.db.dbUsername, first.db.dbPassword)).toBe(false);
  expect(passwordFits(engine, second.db.dbUsername, second.db.dbPassword)).toBe(true);
  expect(tunnelUser(engine, first.ssh.sshUsername)!.publicKeys).toEqual([second.key]);
  expect(second.key).not.toBe(first.key);
  const third = await issue(true);
  expect(passwordFits(engine, third.db.dbUsername, third.db.dbPassword)).toBe(true);
  expect(passwordFits(engine, second.db.dbUsername, second.db.dbPassword)).toBe(false);
});

test('many persons at the same moment: nobody fails and nobody is lost, also over two processes', async () => {
  const { service, platform, engine, another } = await start();
  const { id, name } = await availableAddon({ service, platform });
  const services = [service, await another()];
  engine.before = async (what) => {
    if (what === 'applyAccess') await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
  };
  const isKnown = (answer: { sshUsername?: string; dbUsername?: string; dbPassword?: string }) =>
    answer.sshUsername
      ? tunnelUser(engine, answer.sshUsername) !== undefined
      : passwordFits(engine, answer.dbUsername!, answer.dbPassword!);
  const tokens = Array.from({ length: 6 }, (_, n) => addPerson(platform, `p${n}@example.com`, [id]));
  const asked: Promise<string>[] = tokens
    .flatMap((token, n) => [
      call(services[n % 2]!, token, 'POST', `${name}/personal-ssh-users`),
      call(services[(n + 1) % 2]!, token, 'POST', `${name}/personal-db-users`, { enableWriteAccess: n % 2 === 0 }),
      // At the moment of each answer, not when all have come: the person uses it at once.
    ])
    .map(async (answer) => `${(await answer).statusCode} ${isKnown((await answer).json())}`);
  expect(await Promise.all(asked)).toEqual(Array(12).fill('201 true'));
  expect(engine.access.tunnelUsers).toHaveLength(7);
});

async function ssh({ service }: Pick<Awaited<ReturnType<typeof start>>, 'service'>, token: string, name: string) {
  return (await call(service, token, 'POST', `${name}/personal-ssh-users`)).json().sshUsername as string;
}

/** Moves every credential's end so many minutes into the past. */
const later = (pool: pg.Pool, minutes: number) =>
  pool.query(
    `update personal_credential set valid_until = valid_until - $1 * interval '1 minute',
       hard_limit = hard_limit - $1 * interval '1 minute'`,
    [minutes],
  );

test('after twelve hours credentials end, and so do the sessions that they opened', async () => {
  const harness = await start();
  const { service, platform, engine, pool } = harness;
  const { id, name, token } = await availableAddon(harness);
  const username = await ssh(harness, token, name);
  const db = (await call(service, token, 'POST', `${name}/personal-db-users`, { enableWriteAccess: false })).json();
  await later(pool, 12 * 60 - 1);
  await service.strands.step(id);
  expect(tunnelUser(engine, username)).toBeDefined();
  expect(engine.closed).toEqual([]);
  await later(pool, 2);
  await service.strands.step(id);
  await service.strands.step(id);
  expect(engine.closed).toEqual([expect.objectContaining({ tunnelUsers: [username], roles: [db.dbUsername] })]);
  expect(tunnelUser(engine, username)).toBeUndefined();
  // The role stays, for what it owns; nothing opens it.
  expect(engine.access.roles.find((role) => role.name === db.dbUsername)?.verifiers).toEqual([]);
  expect((await service.strands.describe(id))?.label).toBe('serve');
  expect(platform.addons.get(id)!.state).toBe('provisioned');
});

test('sessions end in time while the platform is out and a new authorization waits to be taken up', async () => {
  const harness = await start();
  const { service, platform, engine, pool } = harness;
  const { id, name, token } = await availableAddon(harness);
  const username = await ssh(harness, token, name);
  await pool.query(`update oauth_token set state = 'dead'`);
  const again = { ...provisionRequest(platform), uuid: id, name };
  expect((await provision(service, again)).statusCode).toBe(202);
  expect((await pool.query('select state from oauth_token')).rows).toEqual([{ state: 'granted' }]);
  platform.outage = 503;
  await later(pool, 12 * 60 + 1);
  await service.strands.step(id);
  expect(engine.closed).toEqual([expect.objectContaining({ tunnelUsers: [username] })]);
});

test('what expires while the sessions of others are being ended has its own sessions ended too', async () => {
  const harness = await start();
  const { service, platform, engine, pool } = harness;
  const { id, name, token } = await availableAddon(harness);
  const [first, second] = [
    await ssh(harness, token, name),
    await ssh(harness, addPerson(platform, 'second@example.com', [id]), name),
  ];
  const expire = (username: string) =>
    pool.query(
      `update personal_credential set valid_until = now() - interval '1 second'
       where personal_user_id = (select id from personal_user where suffix = $1)`,
      [username.slice('p-'.length)],
    );
  await expire(first);
  engine.before = async (what) => {
    if (what === 'closeSessions') await expire(second);
  };
  for (let steps = 0; steps < 4; steps++) await service.strands.step(id);
  expect(engine.closed.flatMap((call) => call.tunnelUsers)).toEqual([first, second]);
  expect(engine.access.tunnelUsers).toHaveLength(1);
});

test('before the add-on is available there is nothing to give', async () => {
  const { service, platform } = await start();
  const request = provisionRequest(platform);
  await provision(service, request);
  const token = addPerson(platform, 'dev@example.com', [request.uuid]);
  for (const label of ['createCluster', 'setConfigVars']) {
    await stepTo(service, request.uuid, label);
    const answer = await call(service, token, 'POST', `${request.name}/personal-ssh-users`);
    expect([answer.statusCode, answer.json().reason]).toEqual([422, expect.stringMatching(/not finished/)]);
  }
});

test('a database that is just recovering is waited for; one that is broken is told', async () => {
  const { service, platform, engine, logged } = await start();
  const { name, token } = await availableAddon({ service, platform });
  let refusals = 2;
  engine.before = (what) => {
    if (what === 'applyAccess' && refusals-- > 0) throw new EngineError('not_ready', 'recovering');
  };
  expect((await call(service, token, 'POST', `${name}/personal-ssh-users`)).statusCode).toBe(201);
  engine.before = (what) => {
    if (what === 'applyAccess') throw new EngineError('internal', 'broken');
  };
  const answer = await call(service, token, 'POST', `${name}/personal-ssh-users`);
  expect([answer.statusCode, answer.json().reason]).toEqual([500, expect.stringMatching(/on our side/)]);
  expect(logged()).toContain('broken');
});

test('what a killed process had promised is applied by the next one', async () => {
  const harness = await start();
  const { service, engine } = harness;
  const { id, name, token } = await availableAddon(harness);
  engine.before = (what) => {
    if (what === 'applyAccess') throw new EngineError('internal', 'killed before it was applied');
  };
  await call(service, token, 'POST', `${name}/personal-ssh-users`);
  expect(engine.access.tunnelUsers).toHaveLength(1);
  engine.before = () => {};
  await service.strands.step(id);
  expect(engine.access.tunnelUsers).toHaveLength(2);
});
