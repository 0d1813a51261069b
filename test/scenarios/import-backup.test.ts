import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConnInfo } from '@borealis/contract';
import { cacheDirectory, ensureClientTools } from '@borealis/postgres';
import { afterEach, expect } from 'vitest';
import { CLI, Installation, removeHome } from '../support/installation.js';
import { scenario } from '../support/scenario.js';
import { connectThrough } from '../support/sql.js';
import { appTunnelUser, openTunnel, throughPort } from '../support/tunnel.js';
import { until } from '../support/until.js';

const hasTools =
  process.env.BOREALIS_TEST === 'full' &&
  (await ensureClientTools({ major: '16', cacheDir: cacheDirectory() }).then(
    () => true,
    () => false,
  ));
const tools = { needs: 'pg_dump 16', installed: () => hasTools };

let directory: string | null = null;
let installation: Installation | null = null;

afterEach(() => {
  // Whatever is left of it, also when the scenario ended in the middle.
  if (installation) removeHome(installation.home);
  if (directory) rmSync(directory, { recursive: true, force: true });
});

async function borealis(args: string[], env: NodeJS.ProcessEnv): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [CLI, ...args], { env: { ...process.env, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

async function query(app: string, sql: string): Promise<Record<string, unknown>[]> {
  const config = await installation!.config(app);
  const info = parseConnInfo(config.DATABASE_TUNNEL_BPG_CONN_INFO!);
  const host = { host: info.POSTGRES_WRITER_HOST!, port: Number(info.POSTGRES_PORT) };
  const tunnel = await openTunnel(appTunnelUser(config, 'DATABASE'), host);
  try {
    const url = throughPort(config.DATABASE_URL!, tunnel.localPort);
    const client = await connectThrough(url, installation!.environment.BOREALIS_CA_FILE!);
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  } finally {
    await tunnel.close();
  }
}

scenario.full('a database outlives its machine: the store and the master key are enough to make it anew', async () => {
  directory = mkdtempSync(join(tmpdir(), 'bs-'));
  chmodSync(directory, 0o755);
  const store = join(directory, 'store');
  mkdirSync(store);
  const env = { BOREALIS_STORE: store, BOREALIS_BASE_POLICY: '{"first":0}' };
  installation = await Installation.start({ env });
  const addon = await installation.createAddon('shop');
  await query('shop', 'create table orders as select n, n * n as total from generate_series(1, 1000) as n');
  const written = Date.now();
  await until(
    'the store to have the orders',
    async () => {
      const info = await installation!.addonApi<{ offsiteBackup: { upTo: string | null } }>(
        'GET',
        `/heroku/resources/${addon.name}`,
      );
      return Date.parse(info.offsiteBackup.upTo ?? '') > written;
    },
    180,
  );
  const before = (await installation.config('shop')).DATABASE_URL!;
  const key = readFileSync(join(installation.home, 'master.key'), 'utf8').trim();
  await installation.crash();
  removeHome(installation.home);

  const newEnv = { ...env, BOREALIS_MASTER_KEY: key };
  installation = await Installation.start({ env: newEnv });
  const home = { BOREALIS_HOME: installation.home, BOREALIS_STORE: store };
  const stranger = { ...home, BOREALIS_MASTER_KEY: randomBytes(32).toString('base64') };
  const refused = await borealis(['import-backup', '--list'], stranger);
  expect(refused.output).toContain('sealed with another key');
  expect(refused.code).toBe(1);
  const list = await borealis(['import-backup', '--list'], { ...home, BOREALIS_MASTER_KEY: key });
  // The config var of the app says which backup is its own.
  expect(list.output).toContain(`database ${new URL(before).pathname.slice(1)},`);
  expect(list.code, list.output).toBe(0);
  const [backup] = list.output.split(' ');
  await installation.platform('POST', '/apps', { name: 'again' });
  const unknown = await borealis(['import-backup', 'no-such', '--app', 'again'], home);
  expect([unknown.code, unknown.output]).toEqual([1, 'The object store has no backup "no-such".\n']);
  const made = await borealis(['import-backup', backup!, '--app', 'again'], home);
  expect(made.code, made.output).toBe(0);
  const [restored] = await installation.platform<{ id: string }[]>('GET', '/apps/again/addons');
  await installation.untilProvisioned(restored!.id);
  expect(await query('again', 'select count(*)::int, sum(total)::int from orders')).toEqual([
    { count: 1000, sum: 333_833_500 },
  ]);
  const after = (await installation.config('again')).DATABASE_URL!;
  expect(new URL(after).password).not.toBe(new URL(before).password);
  expect(new URL(after).username).not.toBe(new URL(before).username);
  await installation.stop();
  installation = null;
});

scenario.fullWithTools('a database in a shared cluster outlives its machine as of its last backup', tools, async () => {
  directory = mkdtempSync(join(tmpdir(), 'bs-'));
  chmodSync(directory, 0o755);
  const store = join(directory, 'store');
  mkdirSync(store);
  const env = { BOREALIS_STORE: store };
  installation = await Installation.start({ env });
  const addon = await installation.createAddon('shop', { version: '16' }, 'borealis-pg:dev');
  await query('shop', 'create table orders as select n, n * n as total from generate_series(1, 1000) as n');
  const before = (await installation.config('shop')).DATABASE_URL!;
  const old = { BOREALIS_HOME: installation.home, BOREALIS_STORE: store };
  expect((await borealis(['backup', 'run', addon.name], old)).code).toBe(0);
  await until(
    'the store to have the backup',
    async () => {
      const path = `/heroku/resources/${addon.name}`;
      const { offsiteBackup } = await installation!.addonApi<{
        offsiteBackup: { upTo: string | null; newestDump: string | null; waitingDumps: number };
      }>('GET', path);
      return offsiteBackup.upTo !== null && offsiteBackup.upTo === offsiteBackup.newestDump;
    },
    180,
  );
  await query('shop', 'drop table orders');
  const key = readFileSync(join(installation.home, 'master.key'), 'utf8').trim();
  await installation.crash();
  removeHome(installation.home);

  installation = await Installation.start({ env: { ...env, BOREALIS_MASTER_KEY: key } });
  const home = { BOREALIS_HOME: installation.home, BOREALIS_STORE: store, BOREALIS_MASTER_KEY: key };
  const list = await borealis(['import-backup', '--list'], home);
  expect(list.output).toContain(`database ${new URL(before).pathname.slice(1)}, 1 backups of moments:`);
  const [backup] = list.output.split(' ');
  await installation.platform('POST', '/apps', { name: 'again' });
  const made = await borealis(['import-backup', backup!, '--app', 'again', '--plan', 'dev'], home);
  expect(made.code, made.output).toBe(0);
  const [restored] = await installation.platform<{ id: string }[]>('GET', '/apps/again/addons');
  await installation.untilProvisioned(restored!.id);
  expect(await query('again', 'select count(*)::int, sum(total)::int from orders')).toEqual([
    { count: 1000, sum: 333_833_500 },
  ]);
  const after = (await installation.config('again')).DATABASE_URL!;
  expect(new URL(after).password).not.toBe(new URL(before).password);
  await installation.stop();
  installation = null;
});
