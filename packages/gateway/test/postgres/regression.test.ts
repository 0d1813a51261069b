import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PASSWORDS } from '../../src/postgres/testing/config.js';
import { debianRelease, fetchRegressionTests } from './regression-source.js';
import { admin, type House, openHouse } from './support.js';

const release = debianRelease();
const wanted = process.env.BOREALIS_TEST === 'full' && release !== null;
const OWNER = 'app_rw_alpha';
const PREPARES = 'test_setup';

/** Numbers that PostgreSQL gives out as it goes, and that two databases therefore do not share. */
const GIVEN = [/(?<=RI_ConstraintTrigger_[ac]_)\d+/g, /(?<=pg_toast_)\d+/g, /^ +\d+ \| [rmt] +\| +\d+$/gm];

let house: House;
let directory: string;
let suite: string;

beforeAll(async () => {
  if (!wanted) return;
  directory = await mkdtemp(join(tmpdir(), 'bpr-'));
  await chmod(directory, 0o755);
  suite = fetchRegressionTests(release, directory);
  house = await openHouse();
});
afterAll(async () => {
  await house?.close();
  if (directory) await rm(directory, { recursive: true, force: true });
});

interface Way {
  host: string;
  port: number;
}

/** What psql prints for a file of the suite, run as PostgreSQL's own runner does. */
async function psql({ host, port }: Way, name: string): Promise<string> {
  const options = '-X -a -q -v HIDE_TABLEAM=on -v HIDE_TOAST_COMPRESSION=on';
  const env = {
    PATH: process.env.PATH,
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: OWNER,
    PGDATABASE: 'alpha',
    PGPASSWORD: PASSWORDS[OWNER],
    PGSSLMODE: host.startsWith('/') ? 'disable' : 'require',
    PGTZ: 'PST8PDT',
    PGDATESTYLE: 'Postgres, MDY',
    PGOPTIONS: '-c intervalstyle=postgres_verbose',
    PG_ABS_SRCDIR: suite,
    PG_ABS_BUILDDIR: directory,
    PG_LIBDIR: directory,
    PG_DLSUFFIX: '.so',
  };
  const child = spawn('sh', ['-c', `psql ${options} < "$0" 2>&1`, join(suite, 'sql', `${name}.sql`)], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const printed = await text(child.stdout);
  return GIVEN.reduce((shown, number) => shown.replaceAll(number, '#'), printed);
}

/** The names of all files, in their order. */
async function schedule(): Promise<string[]> {
  const lines = await readFile(join(suite, 'parallel_schedule'), 'utf8');
  const names = [...lines.matchAll(/^test: (.*)$/gm)].flatMap(([, line]) => line!.split(/\s+/).filter(Boolean));
  return names.filter((name) => name !== PREPARES);
}

/** One file after another, in a new copy of the prepared database. */
async function runAll(way: Way): Promise<Map<string, string>> {
  const client = await admin(house.postgres);
  await client.query('drop database if exists alpha with (force)');
  await client.query(`create database alpha template prepared owner ${OWNER}`);
  await client.end();
  const printed = new Map<string, string>();
  for (const name of await schedule()) printed.set(name, await psql(way, name));
  return printed;
}

// As an app's role, which may less than the tests expect: what matters is that each way gives the same, refusals included.
test.skipIf(!wanted)(
  'PostgreSQL’s own regression tests print the same through the gateway as without it (needs Debian and psql, in the full suite)',
  async () => {
    const socket = { host: house.postgres.socketDirectory, port: house.postgres.port };
    const client = await admin(house.postgres);
    await client.query(`grant pg_read_server_files to ${OWNER}`);
    await psql(socket, PREPARES);
    await client.query(`revoke pg_read_server_files from ${OWNER}`);
    await client.query('alter database alpha rename to prepared');
    await client.end();

    const without = await runAll(socket);
    const through = await runAll({ host: '127.0.0.1', port: (await house.door('alpha')).port });
    expect(without.size).toBeGreaterThan(150);
    expect(without.get('join')).toContain('(1 row)');
    for (const [name, printed] of without) expect(through.get(name), name).toBe(printed);
  },
  900_000,
);
