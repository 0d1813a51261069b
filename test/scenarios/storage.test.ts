import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from 'vitest';
import { ApiError, Installation } from '../support/installation.js';
import { type Cli, type CliResult, cliFor } from '../support/plugin.js';
import { kill9 } from '../support/processes.js';
import { scenario } from '../support/scenario.js';
import { connectThrough, query } from '../support/sql.js';
import { appTunnelUser, type OpenTunnel, openTunnel, throughPort, writerOf } from '../support/tunnel.js';
import { until } from '../support/until.js';

const BOREALIS = join(import.meta.dirname, '../../packages/borealis/dist/cli.js');
const MIB = 2 ** 20;
/** A limit of 24 MiB that is looked at all the time; an empty database takes about 8. */
const POLICY = {
  limitBytes: 24 * MIB,
  grace: 10,
  windowEvery: 1,
  tick: 0.5,
  look: { shortest: 0.5, longest: 0.5, speed: 1 },
};

let installation: Installation;
let cli: Cli;
let tunnel: OpenTunnel;
let addon: { id: string; name: string };
let url: string;

beforeAll(async () => {
  installation = await Installation.start({ env: { BOREALIS_STORAGE_POLICY: JSON.stringify(POLICY) } });
  await installation.platform('POST', '/apps', { name: 'hoard' });
  const wanted = { attachment: {}, config: {}, plan: { name: 'borealis-pg:dev' } };
  addon = await installation.platform('POST', '/apps/hoard/addons', wanted);
  await installation.untilProvisioned(addon.id);
  const config = await installation.config('hoard');
  tunnel = await openTunnel(appTunnelUser(config), writerOf(config));
  url = throughPort(config.DATABASE_URL!, tunnel.localPort);
  cli = await cliFor(installation);
}, 300_000);

afterAll(async () => {
  cli?.remove();
  await tunnel?.close();
  await installation.stop();
});

interface Info {
  status: string;
  dbStorageMaxBytes: number;
  dbStorageUsageBytes: number;
  storageComplianceStatus: string;
  storageComplianceDeadline: string | null;
}

const resource = (path = '') => `/heroku/resources/${addon.name}${path}`;
const info = () => installation.addonApi<Info>('GET', resource());
const sql = <T extends object>(text: string) => query<T & Record<string, unknown>>(url, caFile(), text);
const caFile = () => installation.environment.BOREALIS_CA_FILE!;
const dbUser = (enableWriteAccess: boolean) =>
  installation.addonApi<{ dbUsername: string }>('POST', resource('/personal-db-users'), { enableWriteAccess });

async function heroku(...args: string[]): Promise<CliResult> {
  const result = await cli.ask(...args);
  expect(result.code, `heroku ${args.join(' ')}: ${result.stdout}${result.stderr}`).toBe(0);
  return result;
}

const reached = (wanted: string) =>
  until(
    `the storage to be ${wanted}`,
    async () => {
      const { storageComplianceStatus, status } = await info();
      return storageComplianceStatus === wanted && status === 'available';
    },
    60,
  );

/** Each once: an e-mail whose acceptance was not heard of in time is sent again. */
async function subjects(): Promise<string[]> {
  const mails = await installation.platform<{ to: string[]; subject: string }[]>('GET', '/stand-in/mail');
  expect(mails.every(({ to }) => to.join() === 'dev@example.com')).toBe(true);
  return [...new Set(mails.map(({ subject }) => subject.replace(addon.name, 'IT')))];
}

async function loggedEvents(): Promise<string[]> {
  const session = await installation.platform<{ logplex_url: string }>('POST', '/apps/hoard/log-sessions', {});
  const text = await (await fetch(session.logplex_url)).text();
  return [...text.matchAll(/ event=(db-(?:storage|write)\S+)(?:.* reason=(\S+))?/g)].map(([, type, reason]) =>
    reason ? `${type} ${reason}` : type!,
  );
}

scenario(
  'a database over its limit is warned about by e-mail, then read-only, cleaned up in its window, and written to again',
  async () => {
    const session = await connectThrough(url, caFile());
    await session.query('create table kept (id int)');
    await session.query('insert into kept values (1)');
    await session.query('create table filling as select repeat(md5(i::text), 30) from generate_series(1, 20000) i');
    expect((await info()).dbStorageUsageBytes).toBeGreaterThan(24 * MIB);
    expect((await info()).dbStorageMaxBytes).toBe(24 * MIB);
    await reached('restricted');
    await session.end().catch(() => {});
    expect(await sql('select id from kept')).toEqual([{ id: 1 }]);
    for (const attempt of [
      'insert into kept values (2)',
      'set default_transaction_read_only = off; insert into kept values (2)',
      'drop table filling',
      'create table more (id int)',
      'create temp table more (id int)',
    ])
      await expect(sql(attempt), attempt).rejects.toThrow(/permission denied|must be owner/);
    await expect(dbUser(true)).rejects.toThrow(ApiError);
    await expect(dbUser(true)).rejects.toThrow(/403.*larger plan.*clean-up window/);
    expect((await dbUser(false)).dbUsername).toMatch(/^p_ro_/);
    expect((await heroku('borealis-pg:info', '-o', addon.name)).stdout).toMatch(
      /Clean-up Window: Can be opened now \(borealis-pg:storage:cleanup\)/,
    );
    const cleanup = ['borealis-pg:storage:cleanup', '-a', 'hoard'];
    expect((await heroku(...cleanup)).stdout).toMatch(/^The database can be written to until \S/);
    // Asked again, it is the same window.
    const { until: end } = JSON.parse((await heroku(...cleanup, '--json')).stdout) as { until: string };
    expect(Date.parse(end)).toBeGreaterThan(Date.now());
    await sql('drop table filling');
    await reached('ok');
    const late = await cli.run(...cleanup);
    expect([late.code, late.stderr.replace(/\s+(›\s+)?/g, ' ')]).toEqual([
      2,
      expect.stringMatching(/The database can be written to/),
    ]);
    await sql('insert into kept values (2)');
    expect(await sql('select id from kept order by id')).toEqual([{ id: 1 }, { id: 2 }]);
    await until('the events in the log of the app', async () => (await loggedEvents()).length === 4, 60);
    expect(await loggedEvents()).toEqual([
      'db-storage-limit-violated',
      'db-write-access-revoked deadline',
      'db-write-access-restored clean-up-window',
      'db-storage-limit-violation-resolved',
    ]);
    // Longer than an e-mail waits that could not be sent at once.
    await until('the e-mails', async () => (await subjects()).length === 2, 200);
    expect((await subjects()).sort()).toEqual(['IT can only be read now', 'IT is over its storage limit']);
  },
);

/** The app's next password opens sessions that read and cannot write. */
async function rotateWhileRestricted(): Promise<void> {
  const before = (await installation.config('hoard')).DATABASE_URL;
  const env = { ...process.env, BOREALIS_HOME: installation.home };
  await until('a rotation', () => spawnSync(process.execPath, [BOREALIS, 'rotate', addon.name], { env }).status === 0);
  const next = await until('new config vars', async () => {
    const { DATABASE_URL } = await installation.config('hoard');
    return DATABASE_URL !== before ? DATABASE_URL : null;
  });
  const renewed = throughPort(next, tunnel.localPort);
  expect(await query(renewed, caFile(), 'select id from kept order by id')).toEqual([{ id: 1 }, { id: 2 }]);
  await expect(query(renewed, caFile(), 'insert into kept values (3)')).rejects.toThrow(/permission denied/);
}

/** Kills service and keeper again and again while something is under way. */
async function underFire<T>(work: Promise<T>): Promise<T> {
  let isOver = false;
  const firing = (async () => {
    for (let shots = 0; shots < 4 && !isOver; shots++) {
      for (const name of ['service', 'keeper'] as const) kill9(await until(name, () => installation.pid(name)));
      await sleep(1_000);
    }
  })();
  const result = await work.finally(() => {
    isOver = true;
  });
  await firing;
  return result;
}

scenario.full('a restriction and its end come about though service and keeper are killed again and again', async () => {
  await until('it to be writable', async () => (await sql('create table filling (t text)')) !== undefined, 60);
  // In small pieces: the restriction may come before the last of them and refuse it.
  for (let n = 0; n < 10; n++)
    await sql('insert into filling select repeat(md5(i::text), 30) from generate_series(1, 5000) i').catch(() => {});
  await underFire(reached('restricted'));
  await rotateWhileRestricted();
  await expect(sql('insert into kept values (3)')).rejects.toThrow(/permission denied|must be owner/);
  await until('the window', () => installation.addonApi('POST', resource('/cleanup-window')).then(() => true), 60);
  await until('the table to be gone', async () => (await sql('drop table if exists filling')) !== undefined, 60);
  await underFire(reached('ok'));
  await sql('insert into kept values (3)');
  expect(await sql('select id from kept order by id')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
});
