import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { ApiError, Installation } from '../support/installation.js';
import { scenario } from '../support/scenario.js';
import { query } from '../support/sql.js';
import { appTunnelUser, openTunnel, SshFiles, type TunnelUser, throughPort, writerOf } from '../support/tunnel.js';

let installation: Installation;
let one: Record<string, string>;
let two: Record<string, string>;
let addonName: string;

beforeAll(async () => {
  installation = await Installation.start();
  addonName = (await installation.createAddon('one')).name;
  await installation.createAddon('two');
  one = await installation.config('one');
  two = await installation.config('two');
});

afterAll(() => installation.stop());

/** One line through the tunnel, or what ssh said when it was refused. */
function ssh(user: TunnelUser, ...args: string[]): { status: number | null; stderr: string } {
  const files = new SshFiles(user);
  try {
    return spawnSync('ssh', [...args, ...files.args], { input: '', encoding: 'utf8', timeout: 30_000 });
  } finally {
    files.remove();
  }
}

scenario('an app reaches its own database through its tunnel', async () => {
  const tunnel = await openTunnel(appTunnelUser(one), writerOf(one));
  const rows = await query<{ user: string }>(
    throughPort(one.DATABASE_URL!, tunnel.localPort),
    installation.environment.BOREALIS_CA_FILE!,
    'select current_user as user',
  );
  expect(rows[0]?.user).toMatch(/^app_rw_/);
  await tunnel.close();
});

scenario('a tunnel leads to no host but its own cluster’s', async () => {
  for (const target of [
    writerOf(two),
    { host: '127.0.0.1', port: 5432 },
    { host: 'localhost', port: 22 },
    { host: writerOf(one).host, port: 22 },
  ]) {
    const refused = ssh(appTunnelUser(one), '-W', `${target.host}:${target.port}`);
    expect(refused.status, target.host).not.toBe(0);
    expect(refused.stderr).toMatch(/prohibited|refused|failed/i);
  }
});

scenario('the key of one app opens no tunnel to another’s gateway', async () => {
  const mine = appTunnelUser(one);
  const theirs = appTunnelUser(two);
  expect(mine.hostKey).not.toBe(theirs.hostKey);
  expect(`${mine.host}:${mine.port}`).not.toBe(`${theirs.host}:${theirs.port}`);
  for (const user of [
    { ...mine, host: theirs.host, port: theirs.port, hostKey: theirs.hostKey },
    { ...theirs, privateKey: mine.privateKey },
  ]) {
    const refused = ssh(user, '-N');
    expect(refused.status).toBe(255);
    expect(refused.stderr).toContain('Permission denied (publickey)');
  }
});

scenario('passwords of another app, unknown users and other databases get the same refusal', async () => {
  const tunnel = await openTunnel(appTunnelUser(one), writerOf(one));
  const mine = new URL(throughPort(one.DATABASE_URL!, tunnel.localPort));
  const theirs = new URL(two.DATABASE_URL!);
  const attempts = [
    { username: theirs.username, password: theirs.password },
    { username: 'postgres', password: mine.password },
    { username: 'app_rw_nobody', password: mine.password },
    { username: mine.username, password: theirs.password },
    { username: mine.username, password: mine.password, pathname: '/postgres' },
  ];
  const refusals = new Set<string>();
  for (const attempt of attempts) {
    const url = Object.assign(new URL(mine), attempt);
    const error = await query(url.toString(), installation.environment.BOREALIS_CA_FILE!, 'select 1').catch((e) => e);
    expect(error.code, url.username + url.pathname).toBe('28P01');
    refusals.add(error.message.replace(url.username, 'X'));
  }
  expect(refusals.size).toBe(1);
  await tunnel.close();
});

scenario('the read-only URL reads, and no SQL writes through it', async () => {
  const ca = installation.environment.BOREALIS_CA_FILE!;
  const tunnel = await openTunnel(appTunnelUser(one), writerOf(one));
  const writer = throughPort(one.DATABASE_URL!, tunnel.localPort);
  const reader = throughPort(one.DATABASE_READONLY_URL!, tunnel.localPort);
  await query(writer, ca, 'create table note (id int primary key, text text)');
  await query(writer, ca, `insert into note values (1, 'first')`);
  expect(await query(reader, ca, 'select text from note')).toEqual([{ text: 'first' }]);
  const writes = [
    `insert into note values (2, 'x')`,
    'delete from note',
    'create table other (id int)',
    'select lo_create(0)',
    `select lo_from_bytea(0, 'x')`,
    `select pg_logical_emit_message(false, 'x', 'y')`,
    'truncate note',
    `set session authorization ${new URL(writer).username}`,
    `set role ${new URL(writer).username}`,
  ];
  for (const sql of writes) {
    const undone = await query(
      reader,
      ca,
      `set default_transaction_read_only = off; begin read write; ${sql}; commit`,
    ).then(
      () => 'accepted',
      (error) => error.code,
    );
    expect(['42501', '25006', '0A000'], sql).toContain(undone);
  }
  expect(await query(reader, ca, 'select count(*)::int as n from note')).toEqual([{ n: 1 }]);
  await tunnel.close();
});

scenario('a stranger gets a 404 for everything, as for something that does not exist', async () => {
  const stranger = await installation.platform<{ token: string }>('POST', '/stand-in/users', {
    email: 'stranger@example.com',
  });
  const paths: [string, string, unknown?][] = [
    ['GET', ''],
    ['POST', '/personal-ssh-users'],
    ['POST', '/personal-db-users', { enableWriteAccess: true }],
  ];
  for (const [method, path, body] of paths) {
    const real = (await installation
      .addonApi(method, `/heroku/resources/${addonName}${path}`, body, stranger.token)
      .catch((e) => e)) as ApiError;
    const unreal = (await installation
      .addonApi(method, `/heroku/resources/borealis-pg-none-1${path}`, body, stranger.token)
      .catch((e) => e)) as ApiError;
    expect(real).toBeInstanceOf(ApiError);
    expect(real.status).toBe(404);
    expect(real.body).toEqual(unreal.body);
  }
});

scenario('a new session’s key and password end those of the last one', async () => {
  interface Session {
    ssh: { sshHost: string; sshPort: number; sshUsername: string; sshPrivateKey: string; publicSshHostKey: string };
    db: { dbHost: string; dbPort: number; dbName: string; dbUsername: string; dbPassword: string };
  }
  const path = `/heroku/resources/${addonName}`;
  const session = async (): Promise<Session> => {
    const [sshUser, db] = await Promise.all([
      installation.addonApi<Session['ssh']>('POST', `${path}/personal-ssh-users`),
      installation.addonApi<Session['db']>('POST', `${path}/personal-db-users`, { enableWriteAccess: false }),
    ]);
    return { ssh: sshUser, db };
  };
  const userOf = ({ ssh: user }: Session): TunnelUser => ({
    host: user.sshHost,
    port: user.sshPort,
    hostKey: user.publicSshHostKey,
    username: user.sshUsername,
    privateKey: user.sshPrivateKey,
  });
  const ask = async ({ db }: Session, port: number): Promise<unknown> =>
    query(
      `postgres://${db.dbUsername}:${db.dbPassword}@127.0.0.1:${port}/${db.dbName}`,
      installation.environment.BOREALIS_CA_FILE!,
      'select current_user as user',
    );

  const first = await session();
  const tunnel = await openTunnel(userOf(first), { host: first.db.dbHost, port: first.db.dbPort });
  expect(await ask(first, tunnel.localPort)).toEqual([{ user: first.db.dbUsername }]);

  const second = await session();
  await expect(ask(first, tunnel.localPort)).rejects.toMatchObject({ code: '28P01' });
  expect(await ask(second, tunnel.localPort)).toEqual([{ user: second.db.dbUsername }]);
  expect(ssh(userOf(first), '-N').stderr).toContain('Permission denied');
  await tunnel.close();
});

scenario('no server of a cluster listens on TCP, and its files are closed to others', async () => {
  const { listeningPorts, serverPids } = await import('../../packages/borealis/src/tour/listening-ports.js');
  const pids = serverPids(join(installation.home, 'clusters'));
  expect(pids.length).toBeGreaterThanOrEqual(3);
  expect(listeningPorts(pids)).toEqual([]);
  expect(readdirSync(installation.home)).toContain('clusters');
});
