import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_POSTGRES_MAJOR, POSTGRES_MAJORS } from '@borealis/contract';
import {
  type ClientProgram,
  type ClientTools,
  cacheDirectory,
  connect,
  ensureClientTools,
  ReleaseError,
} from '@borealis/postgres';
import { temporaryServer } from '@borealis/postgres/testing';
import { afterAll, beforeAll, expect } from 'vitest';
import { Installation } from '../support/installation.js';
import { personalTunnel } from '../support/personal-tunnel.js';
import { type Cli, cliFor } from '../support/plugin.js';
import { scenario } from '../support/scenario.js';
import { query } from '../support/sql.js';
import { appTunnelUser, openTunnel, throughPort, writerOf } from '../support/tunnel.js';

const full = process.env.BOREALIS_TEST === 'full';
const majors = POSTGRES_MAJORS.filter((major) => full || major === DEFAULT_POSTGRES_MAJOR);
const toolsFor = new Map<string, ClientTools | null>();
for (const major of majors) toolsFor.set(major, await findOrFetch(major));

async function findOrFetch(major: string): Promise<ClientTools | null> {
  try {
    return await ensureClientTools({ major, cacheDir: cacheDirectory() });
  } catch (error) {
    if (error instanceof ReleaseError && error.code !== 'corrupt') return null;
    throw error;
  }
}

let installation: Installation;
let cli: Cli;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'dump-'));
  installation = await Installation.start();
  cli = await cliFor(installation);
}, 300_000);

afterAll(async () => {
  rmSync(directory, { recursive: true, force: true });
  cli?.remove();
  await installation?.stop();
});

/** Some of everything that an old database has; its tables belong to a role that is nowhere else. */
const OLD_DATABASE = [
  'set search_path = public; create role legacy; create role reporting; grant all on schema public to legacy; grant create on database postgres to legacy; set role legacy',
  'create extension pg_trgm with schema public; create extension hstore with schema public',
  `create type mood as enum ('ok', 'good')`,
  `create table customer (id serial primary key, name text not null, tags hstore, mood mood default 'ok')`,
  `insert into customer (name, tags) select 'customer ' || n, hstore('n', n::text) from generate_series(1, 1000) as n`,
  'create index on customer using gin (name gin_trgm_ops); grant all on customer to public; grant select on customer to reporting',
  'create schema sales; create sequence sales.invoice start 1000; select nextval($$sales.invoice$$)',
  `create view sales.names as select id, name, tags -> 'n' as n from customer; create materialized view sales.total as select count(*) from customer`,
  `create function sales.next() returns bigint language sql as 'select nextval(''sales.invoice'')'`,
  `select lo_from_bytea(4711, 'a large object'); grant select on large object 4711 to reporting`,
];

const CONTENT = `
  select (select md5(string_agg(c::text, '' order by id)) from customer c) as customers, (select md5(string_agg(n::text, '' order by id)) from sales.names n) as names,
    (select count from sales.total)::int as total, (select last_value from sales.invoice)::int as invoice,
    convert_from(lo_get(4711), 'UTF8') as large, (select count(*) from customer where name % 'customer 77')::int > 0 as similar`;

/** What only an owner may. */
const ALTERS_AND_DROPS = [
  'alter table customer add column since date default now()',
  'alter view sales.names rename to called; alter materialized view sales.total rename to sum',
  'alter sequence sales.invoice restart; alter function sales.next() cost 7',
  `alter type mood add value 'bad'`,
  'drop schema sales cascade; drop table customer; drop type mood; select lo_unlink(4711)',
  'drop extension pg_trgm; drop extension hstore',
];

/** Runs a client program by its URL; the password is in the environment, as it should be. */
function runTool(tools: ClientTools, name: ClientProgram, url: string, args: string[]) {
  const { hostname, port, username, password, pathname } = new URL(url);
  const env = { PGHOST: hostname, PGPORT: port, PGUSER: username, PGPASSWORD: password, PGDATABASE: pathname.slice(1) };
  const [program, ...before] = tools.command(name);
  return spawnSync(program, [...before, ...args], {
    encoding: 'utf8',
    env: {
      ...process.env,
      PGSSLMODE: 'require',
      ...env,
    },
  });
}

/** The old database's content, and its dump in `file`. */
async function dumpOldDatabase(major: string, tools: ClientTools, file: string): Promise<unknown> {
  const old = await temporaryServer(major);
  try {
    const client = await connect(old.spec, 'postgres');
    for (const sql of OLD_DATABASE) await client.query(sql);
    const { rows } = await client.query(CONTENT);
    await client.end();
    const { socketDirectory, port, superuser } = old.spec;
    const [program, ...before] = tools.command('pg_dump');
    const args = ['-h', socketDirectory, '-p', String(port), '-U', superuser.name, '-Fc', '-f', file, 'postgres'];
    const made = spawnSync(program, [...before, ...args], {
      encoding: 'utf8',
      env: { ...process.env, PGPASSWORD: superuser.password },
    });
    expect(made.stderr).toBe('');
    return rows[0];
  } finally {
    await old.remove();
  }
}

/** A query as the app, through its own tunnel. */
async function openApp(app: string) {
  const config = await installation.config(app);
  const tunnel = await openTunnel(appTunnelUser(config), writerOf(config));
  const ca = installation.environment.BOREALIS_CA_FILE!;
  const through = (name: string) => throughPort(config[name]!, tunnel.localPort);
  return {
    role: new URL(config.DATABASE_URL!).username,
    writes: (sql: string) => query<Record<string, unknown>>(through('DATABASE_URL'), ca, sql),
    reads: (sql: string) => query<Record<string, unknown>>(through('DATABASE_READONLY_URL'), ca, sql),
    close: () => tunnel.close(),
  };
}

// What pg_restore 17 and later ask of an older server; it goes on.
const HARMLESS = /transaction_timeout|errors ignored on restore: 1$/;

async function movesIn(major: string): Promise<void> {
  const client = toolsFor.get(major)!;
  const app = `move${major}`;
  const file = join(directory, `${app}.dump`);
  await installation.createAddon(app, { version: major });
  const content = await dumpOldDatabase(major, client, file);

  const writing = await personalTunnel(cli, app, '--write-access');
  const restored = runTool(client, 'pg_restore', writing.url, [
    '--no-owner',
    '--no-acl',
    '-d',
    new URL(writing.url).pathname.slice(1),
    file,
  ]);
  const complaints = restored.stderr
    .split('\n')
    .filter((line) => /(error|warning): /.test(line) && !HARMLESS.test(line));
  expect(complaints, restored.stderr).toEqual([]);

  const database = await openApp(app);
  expect((await database.reads(CONTENT))[0]).toEqual(content);
  await expect(database.writes(ALTERS_AND_DROPS[0]!)).rejects.toThrow(/must be owner of table customer/);
  const handed = runTool(client, 'psql', writing.url, [
    '-X',
    '-c',
    `reassign owned by current_user to ${database.role}`,
  ]);
  expect(handed.stderr).toBe('');
  expect(await writing.close()).toBe(0);

  const reading = await personalTunnel(cli, app);
  const dumped = runTool(client, 'pg_dump', reading.url, ['--no-owner', '--no-acl']);
  expect(dumped.stderr).toBe('');
  expect(dumped.stdout).toContain('customer 1000');
  expect(await reading.close()).toBe(0);

  const refused = `set default_transaction_read_only = off; begin; set transaction read write; select lo_unlink(4711)`;
  await expect(database.reads(refused)).rejects.toThrow(/permission denied for function lo_unlink/);
  for (const sql of ALTERS_AND_DROPS) await database.writes(sql);
  await database.close();
}

const tools = (major: string) => ({ needs: `pg_dump ${major}`, installed: () => Boolean(toolsFor.get(major)) });

scenario.withTools('an old PostgreSQL 16, the default, moves in through heroku borealis-pg:tunnel', tools('16'), () =>
  movesIn('16'),
);
scenario.fullWithTools('an old PostgreSQL 13 moves in through heroku borealis-pg:tunnel', tools('13'), () =>
  movesIn('13'),
);
scenario.fullWithTools('an old PostgreSQL 14 moves in through heroku borealis-pg:tunnel', tools('14'), () =>
  movesIn('14'),
);
scenario.fullWithTools('an old PostgreSQL 15 moves in through heroku borealis-pg:tunnel', tools('15'), () =>
  movesIn('15'),
);
scenario.fullWithTools('an old PostgreSQL 17 moves in through heroku borealis-pg:tunnel', tools('17'), () =>
  movesIn('17'),
);
scenario.fullWithTools('an old PostgreSQL 18 moves in through heroku borealis-pg:tunnel', tools('18'), () =>
  movesIn('18'),
);
