import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { PgVersionUpgrades } from '@borealis/contract';
import { offeredRelease } from '@borealis/postgres';
import type pg from 'pg';
import { afterAll, beforeAll, expect } from 'vitest';
import { appLog } from '../support/app-log.js';
import { CLI, Installation } from '../support/installation.js';
import { type Cli, cliFor } from '../support/plugin.js';
import { scenario } from '../support/scenario.js';
import { connectThrough } from '../support/sql.js';
import { appTunnelUser, openTunnel, throughPort, writerOf } from '../support/tunnel.js';
import { until } from '../support/until.js';

const isFull = process.env.BOREALIS_TEST === 'full';

let installation: Installation;
let cli: Cli;

beforeAll(async () => {
  if (!isFull) return;
  installation = await Installation.start();
  cli = await cliFor(installation);
}, 300_000);
afterAll(async () => {
  cli?.remove();
  await installation?.stop();
});

/** Runs an operator's command while this process goes on. */
async function borealis(...args: string[]) {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { ...process.env, BOREALIS_HOME: installation.home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: status as number, stdout, stderr };
}

/** The app's side: connections through its tunnel, and a writer of counted rows that connects again whenever it is closed. */
async function client(app: string) {
  const config = await installation.config(app);
  const tunnel = await openTunnel(appTunnelUser(config), writerOf(config));
  const open: pg.Client[] = [];
  const connect = async (): Promise<pg.Client> => {
    const url = throughPort(config.DATABASE_URL!, tunnel.localPort);
    const made = await connectThrough(url, installation.environment.BOREALIS_CA_FILE!);
    open.push(made);
    return made;
  };
  let isWriting = true;
  let writer: Promise<number> = Promise.resolve(0);
  const write = async () => {
    let acknowledged = 0;
    let session = await connect();
    while (isWriting) {
      try {
        await session.query('insert into written (n) values ($1)', [acknowledged + 1]);
        acknowledged++;
      } catch (error) {
        if (!isClosed(error)) throw error;
        session = await until('a session again', connect);
        // What was on its way when the session was closed may be there or not; what was acknowledged is.
        const { rows } = await session.query('select coalesce(max(n), 0)::int as n from written');
        expect([acknowledged, acknowledged + 1]).toContain(rows[0].n);
        acknowledged = rows[0].n;
      }
    }
    return acknowledged;
  };
  return {
    connect,
    write: () => {
      writer = write();
      writer.catch(() => undefined);
    },
    stopWriting: () => {
      isWriting = false;
      return writer;
    },
    close: async () => {
      isWriting = false;
      await writer.catch(() => undefined);
      await Promise.all(open.map((one) => one.end().catch(() => undefined)));
      await tunnel.close();
    },
  };
}

/** The gateway ended it, and the driver may have seen that before the query was sent. */
function isClosed(error: unknown): boolean {
  const { code, message } = error as { code?: string; message: string };
  return code === '57P01' || /not queryable|terminated|closed|ended|ECONN/i.test(message);
}

const GUARDED = { code: '55000', message: expect.stringContaining('major version upgrade') };

scenario.full('an add-on goes from 15 to 16 and back under a client that writes all the while', async () => {
  const app = 'major';
  const { name } = await installation.createAddon(app, { version: '15' });
  const resource = `/heroku/resources/${name}`;
  const url = (await installation.config(app)).DATABASE_URL;
  const info = () => installation.addonApi<PgVersionUpgrades>('GET', `${resource}/pg-version-upgrades`);
  const refusal = (method: string, path: string, body?: object) =>
    installation.addonApi(method, `${resource}${path}`, body).then(
      () => null,
      (error: { status: number }) => error.status,
    );
  const users = await client(app);
  try {
    const [holder, other] = [await users.connect(), await users.connect()];
    await other.query('create table written (n int primary key, at timestamptz default now())');
    await other.query('create table kept (id serial primary key, word text)');
    await other.query("insert into kept (word) select 'word ' || n from generate_series(1, 1000) as n");
    users.write();

    // A transaction that stays open keeps the switch away, so that there is time to look.
    await holder.query('begin');
    await holder.query('select 1');
    const begun = await cli.run('borealis-pg:upgrade:execute', '--app', app);
    expect(begun.stdout).toContain(
      `${name} is being upgraded from PostgreSQL version 15 to version 16 in the background`,
    );
    await until('the copy to be complete', async () => (await info()).progress?.stage === 'switching', 180);
    expect((await cli.run('borealis-pg:upgrade:info', '--app', app)).stdout).toMatch(/Upgrade Status: upgrading/);
    expect(await refusal('POST', '/personal-ssh-users')).toBe(423);
    expect(await refusal('POST', '/pg-extensions', { pgExtensionName: 'cube' })).toBe(423);
    await expect(other.query('create table late (n int)')).rejects.toMatchObject(GUARDED);
    await other.query('create temporary table mine (n int)');

    const cancelled = await cli.run('borealis-pg:upgrade:cancel', '--app', app);
    expect(cancelled.code, cancelled.stderr).toBe(0);
    await until('the upgrade to be given up', async () => (await info()).upgradeStatus === 'available', 120);
    expect(await info()).toMatchObject({ currentPgMajorVersion: '15', last: { outcome: 'cancelled' } });
    await other.query('create table late (n int)');
    // Nobody can be moved together with it.
    await other.query('drop table mine');
    await holder.query('commit');

    await installation.addonApi('POST', `${resource}/pg-version-upgrades`);
    await until('PostgreSQL 16', async () => (await info()).currentPgMajorVersion === '16', 240);
    expect(await installation.addonApi('GET', resource)).toMatchObject({
      postgresVersion: offeredRelease('16').version,
      status: 'available',
    });
    const newer = await users.connect();
    expect((await newer.query('show server_version')).rows).toEqual([{ server_version: offeredRelease('16').version }]);
    expect((await newer.query("insert into kept (word) values ('one more') returning id")).rows).toEqual([
      { id: 1001 },
    ]);
    expect((await installation.config(app)).DATABASE_URL).toBe(url);

    const back = await borealis('upgrade-revert', name, '--json');
    expect(back.status, back.stderr + back.stdout).toBe(0);
    expect(JSON.parse(back.stdout)).toMatchObject({ addon: name, state: 'done', to: offeredRelease('15').version });
    const acknowledged = await users.stopWriting();
    const last = await users.connect();
    expect((await last.query('show server_version')).rows).toEqual([{ server_version: offeredRelease('15').version }]);
    const { rows } = await last.query('select count(*)::int as rows, max(n) as n from written');
    expect(rows).toEqual([{ rows: acknowledged, n: acknowledged }]);
    expect((await last.query('select count(*)::int as rows from kept')).rows).toEqual([{ rows: 1001 }]);
    expect((await last.query("insert into kept (word) values ('the last') returning id")).rows[0].id).toBeGreaterThan(
      1001,
    );
  } finally {
    await users.close();
  }
  await until('the events in the log of the app', async () => {
    const log = await appLog(installation, app);
    return ['cancelled', 'completed', 'reverted'].every((end) => log.includes(`event=db-major-upgrade-${end}`));
  });
  const mails = await until('the last e-mail', async () => {
    const { stdout } = await borealis('mail', '--json');
    return stdout.includes(`${name} is back on PostgreSQL 15`) && stdout;
  });
  for (const subject of ['is being upgraded from PostgreSQL 15', 'was cancelled', 'runs PostgreSQL 16'])
    expect(mails).toContain(subject);
});
