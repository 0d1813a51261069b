import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { makeSshKeyPair } from '@borealis/contract';
import type { Client } from 'pg';
import { afterAll, beforeAll, expect } from 'vitest';
import { appLog } from '../support/app-log.js';
import { CLI, Installation } from '../support/installation.js';
import { type Pause, Pauses } from '../support/pauses.js';
import { type Cli, type CliResult, cliFor } from '../support/plugin.js';
import { kill9, processesOf } from '../support/processes.js';
import { scenario } from '../support/scenario.js';
import { connectThrough } from '../support/sql.js';
import { appTunnelUser, type OpenTunnel, openTunnel, throughPort, writerOf } from '../support/tunnel.js';
import { until } from '../support/until.js';

const isFull = process.env.BOREALIS_TEST === 'full';

let pauses: Pauses;
let installation: Installation;
let cli: Cli;
let source: { id: string; name: string };
let shop: Way;

beforeAll(async () => {
  if (!isFull) return;
  pauses = new Pauses();
  installation = await Installation.start({ env: pauses.env });
  source = await installation.createAddon('shop');
  await installation.platform('POST', '/apps', { name: 'shop-staging' });
  cli = await cliFor(installation);
  shop = await wayInto('shop');
}, 300_000);

afterAll(async () => {
  await shop?.close();
  cli?.remove();
  await installation?.stop();
  pauses?.remove();
});

async function ok(...args: string[]): Promise<CliResult> {
  const result = await cli.run(...args);
  expect(result.code, `heroku ${args.join(' ')}: ${result.stdout}${result.stderr}`).toBe(0);
  return result;
}

/** An app's own way into a database: its tunnel, and a session as its writer. */
interface Way {
  config: Record<string, string>;
  url: string;
  tunnel: OpenTunnel;
  client: Client;
  rows(sql: string): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

async function wayInto(app: string, name = 'DATABASE'): Promise<Way> {
  const config = await installation.config(app);
  const tunnel = await openTunnel(appTunnelUser(config, name), writerOf(config, name));
  const url = throughPort(config[`${name}_URL`]!, tunnel.localPort);
  const client = await connectThrough(url, caFile()).catch(async (error) => {
    await tunnel.close();
    throw error;
  });
  return {
    ...{ config, url, tunnel, client },
    rows: async (sql) => (await client.query(sql)).rows,
    close: async () => {
      await client.end();
      await tunnel.close();
    },
  };
}

const caFile = () => installation.environment.BOREALIS_CA_FILE!;

const TENANT_ROLES = `select rolname as name from pg_roles where rolname ~ '^(app|p|di)_(ro|rw)_' order by 1`;
const CONTENT = 'select count(*)::int as n, sum(hashtext(o::text)::bigint)::text as sum from orders o';

scenario.full('borealis-pg:restore:execute clones a database to another app: all rows, no credentials', async () => {
  await shop.rows(`create table orders (id bigserial primary key, what text);
    insert into orders (what) select md5(n::text) from generate_series(1, 20000) n`);
  await ok('borealis-pg:run', '-a', 'shop', '-u', '-w', '-d', 'create table notes as select 1 as note');
  const key = makeSshKeyPair().publicKey;
  await ok('borealis-pg:integrations:register', '-a', 'shop', '--name', 'etl', key);
  const content = await shop.rows(CONTENT);

  const { stderr } = await ok('borealis-pg:restore:execute', '-a', 'shop', '-d', 'shop-staging', '--wait');
  expect(stderr).toContain('Checking authorization... done');
  expect(stderr).toContain(`Starting clone of add-on ${source.name}... done`);
  expect(stderr).toMatch(/Creating add-on borealis-pg-\S+ on ⬢ shop-staging\.\.\. done/);

  const staging = await wayInto('shop-staging');
  expect(await staging.rows(CONTENT)).toEqual(content);
  expect(await staging.rows('select * from notes')).toEqual([{ note: 1 }]);
  const roles = ['DATABASE_READONLY_URL', 'DATABASE_URL'].map((name) => new URL(staging.config[name]!).username);
  expect(await staging.rows(TENANT_ROLES)).toEqual(roles.map((name) => ({ name })));
  expect(
    await staging.rows(`select relname from pg_class where relowner <> current_user::regrole
    and relnamespace = 'public'::regnamespace`),
  ).toEqual([]);
  // What belonged to the app and its people is the new app's to change, and the source hears nothing of it.
  expect(await staging.rows(`insert into orders (what) values ('staging') returning id::int`)).toEqual([{ id: 20001 }]);
  await staging.rows('alter table orders add seen boolean; drop table notes');
  expect(await shop.rows(CONTENT)).toEqual(content);
  expect(await installation.config('shop')).toEqual(shop.config);
  await expectApart(shop, staging);
  await expectApart(staging, shop);

  expect((await ok('borealis-pg:info', '-a', 'shop-staging')).stdout).toContain(`Cloned From Add-on: ${source.name}\n`);
  expect((await ok('borealis-pg:integrations', '-a', 'shop-staging')).stderr).toContain('No data integrations found');
  const copy = await installation.platform<{ name: string }[]>('GET', '/apps/shop-staging/addons');
  await until('the clone to be in the log of the source, once', async () => {
    const events = (await appLog(installation, 'shop')).match(/event=db-restore-initiated .*/g) ?? [];
    return (
      events.length === 1 && events[0]!.startsWith(`event=db-restore-initiated destination=${copy[0]!.name} user=`)
    );
  });
  await staging.close();
});

/** Neither the key nor the passwords of one database open the other. */
async function expectApart(theirs: Way, mine: Way): Promise<void> {
  const key = appTunnelUser(theirs.config);
  const gateway = appTunnelUser(mine.config);
  const { host, port, hostKey } = gateway;
  await expect(openTunnel({ ...key, host, port, hostKey }, writerOf(mine.config))).rejects.toThrow(/Permission denied/);
  const [theirUrl, myUrl] = [new URL(theirs.url), new URL(mine.url)];
  const oldPassword = new URL(mine.url);
  oldPassword.password = theirUrl.password;
  theirUrl.port = myUrl.port;
  for (const url of [oldPassword, theirUrl])
    await expect(connectThrough(url.toString(), caFile())).rejects.toMatchObject({ code: '28P01' });
}

scenario.full(
  'borealis-pg:restore:execute restores a database to a moment: what was committed by then, and nothing later',
  async () => {
    await until('something to restore from', async () => /Earliest.*: \d{4}-/.test(await capabilities()), 180);
    await shop.rows('create table ledger as select 1 as entry; create table keepsake as select 7 as n');
    const [{ moment }] = (await shop.rows(MOMENT)) as [{ moment: string }];
    await shop.rows('insert into ledger values (2); drop table keepsake');

    await installation.platform('POST', '/apps', { name: 'shop-past' });
    const past = ['-a', 'shop', '-d', 'shop-past', '--restore-to-time', moment, '--wait'];
    const { stderr } = await ok('borealis-pg:restore:execute', ...past);
    expect(stderr).toContain(`Starting restore of add-on ${source.name}... done`);
    const restored = await wayInto('shop-past');
    expect(await restored.rows('select entry from ledger')).toEqual([{ entry: 1 }]);
    expect(await restored.rows('select n from keepsake')).toEqual([{ n: 7 }]);
    expect(await shop.rows('select count(*)::int as n from ledger')).toEqual([{ n: 2 }]);
    await expectApart(shop, restored);
    await restored.close();
  },
);

/** A moment after all that the session has committed, as a person would write it. */
const MOMENT = `select to_char(clock_timestamp() at time zone interval '2 hours', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+02:00' as moment`;

const capabilities = async () => (await ok('borealis-pg:restore:capabilities', '-a', 'shop')).stdout;

scenario.full(
  'borealis find-change names what deleted rows, and the command that it gives brings them back',
  async () => {
    await until('something to restore from', async () => /Earliest.*: \d{4}-/.test(await capabilities()), 180);
    await shop.rows('create table parcels as select n from generate_series(1, 300) n');
    await shop.rows('delete from parcels where n <= 10');
    await shop.rows('delete from parcels where n <= 200');
    await shop.rows('insert into parcels values (1000)');

    const { changes } = JSON.parse((await findChange(source.name, '--table', 'parcels', '--json')).stdout);
    expect(changes).toMatchObject([
      { kind: 'delete', table: { schema: 'public', name: 'parcels' }, rows: 10 },
      { kind: 'delete', rows: 190 },
    ]);
    const told = await findChange(source.name, '--table', 'public.parcels', '--since', changes[1].committedAt);
    expect(told.stdout).toContain(`190 rows deleted from public.parcels\n  to have it back: ${changes[1].command}\n`);
    const unknown = await findChange(source.name, '--table', 'Nothing');
    expect([unknown.status, unknown.stderr]).toEqual([
      1,
      expect.stringMatching(/^There was no table "nothing" at any time/),
    ]);

    await installation.platform('POST', '/apps', { name: 'shop-undo' });
    const [heroku, ...command] = (changes[1].command as string).split(' ');
    expect(heroku).toBe('heroku');
    await ok(...command, '-d', 'shop-undo');
    const undone = await wayInto('shop-undo');
    expect(await undone.rows('select count(*)::int as n, min(n)::int, max(n)::int from parcels')).toEqual([
      { n: 290, min: 11, max: 300 },
    ]);
    await undone.close();
  },
);

async function findChange(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const env = { ...process.env, BOREALIS_HOME: installation.home };
  const child = spawn(process.execPath, [CLI, 'find-change', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status, stdout, stderr };
}

scenario.full('what cannot be cloned or restored is refused with a sentence that names what can be', async () => {
  await refused(['--restore-to-time', '2999-01-01T00:00:00Z'], /is in the future/);
  await refused(
    ['--restore-to-time', 'yesterday'],
    /"yesterday", is not understood. Allowed is .* ISO 8601 with a zone/,
  );
  await refused(['--new-plan', 'dev'], /needs a cluster of its own.*x1-s10-p1-r1/);
  await refused(['--new-plan', 'gold'], /gold/);
});

async function refused(args: string[], sentence: RegExp): Promise<void> {
  const { code, stderr } = await cli.run('borealis-pg:restore:execute', '-a', 'shop', ...args);
  expect(stderr.replace(/\s+(›\s+)?/g, ' ')).toMatch(sentence);
  expect(code).toBe(2);
}

scenario.full(
  'a clone is made once, whatever of its service, keeper and servers is killed on the way, and a removal wins over it',
  async () => {
    await shop.rows('create table ballast as select n, md5(n::text) as text from generate_series(1, 100000) n');
    const content = await shop.rows(BALLAST);
    const { name } = await cloneTo('shop-killed', [
      [pauses.at('after', 'createCluster'), ['keeper']],
      [pauses.at('before', 'waitCluster'), ['service', 'keeper', 'platform', 'servers']],
      [pauses.at('after', 'makeCredentials'), ['service']],
      [pauses.at('after', 'applyAccess'), ['keeper', 'servers']],
      [pauses.at('after', 'setConfigVars'), ['platform', 'service']],
    ]);
    await shop.close().catch(() => {});
    shop = await until('a way into the source', () => wayInto('shop'));
    expect(await shop.rows(BALLAST)).toEqual(content);
    const killed = await until('a way into the clone', () => wayInto('shop-killed'));
    expect(await killed.rows(BALLAST)).toEqual(content);
    expect(await killed.rows(TENANT_ROLES)).toHaveLength(2);
    await killed.close();
    const begun = `event=db-restore-initiated destination=${name} `;
    await until('the event', async () => (await appLog(installation, 'shop')).includes(begun));
    await until('no slot to be held', async () => (await shop.rows('select from pg_replication_slots')).length === 0);
    expect(halfMade()).toEqual([]);

    const before = clusters();
    const stop = pauses.at('after', 'createCluster');
    const unwanted = await cloneTo('shop-unwanted', []);
    await stop.reached();
    expect(clusters()).toHaveLength(before.length + 1);
    await installation.platform('DELETE', `/apps/shop-unwanted/addons/${unwanted.id}`, { force: false });
    await kill('keeper');
    stop.release();
    await until('nothing of it to be left', () => clusters().length === before.length, 120);
    expect(clusters()).toEqual(before);
    expect(await shop.rows(BALLAST)).toEqual(content);
    await until('no slot to be held', async () => (await shop.rows('select from pg_replication_slots')).length === 0);
  },
);

const BALLAST = 'select count(*)::int as n, sum(hashtext(b::text)::bigint)::text as sum from ballast b';

type Victim = 'service' | 'keeper' | 'platform' | 'servers';

/** The servers are every gateway and PostgreSQL that there is, the source's too. */
async function kill(victim: Victim): Promise<void> {
  if (victim === 'servers') for (const { pid } of processesOf(installation.home)) kill9(pid);
  else kill9(await until(`a ${victim} to kill`, () => installation.pid(victim)));
}

/** Clones the source to a new app by the CLI, kills at each stop, and waits until the add-on is there if there was any. */
async function cloneTo(app: string, stops: [Pause, Victim[]][]): Promise<{ id: string; name: string }> {
  await installation.platform('POST', '/apps', { name: app });
  await ok('borealis-pg:restore:execute', '-a', 'shop', '-d', app);
  const [addon] = await installation.platform<{ id: string; name: string }[]>('GET', `/apps/${app}/addons`);
  for (const [stop, victims] of stops) {
    await stop.reached();
    for (const victim of victims) await kill(victim);
    stop.release();
  }
  if (stops.length > 0) await until('the clone', () => installation.untilProvisioned(addon!.id).then(() => true), 180);
  return addon!;
}

const clusters = () => readdirSync(join(installation.home, 'clusters')).sort();

/** What a copy has beside its data while it is made. */
const halfMade = () =>
  clusters().flatMap((id) =>
    readdirSync(join(installation.home, 'clusters', id)).filter((name) => /^data\.|stage/.test(name)),
  );
