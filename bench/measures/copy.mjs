import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../run.mjs';
import { interleave } from '../statistics.mjs';
import { libpqEnvironment, openTunnel } from '../tunnel.mjs';

const MEMORY_DISK = '/dev/shm';

const TABLES = (rows) => `
  CREATE TABLE bulk AS SELECT i AS id, repeat(md5(i::text), 31) AS payload FROM generate_series(1, ${rows}) i;
  CREATE UNLOGGED TABLE bulk_in (LIKE bulk);
  VACUUM bulk`;

function psql(env, ...commands) {
  const args = commands.flatMap((command) => ['-c', command]);
  return run('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', ...args], { env });
}

/** Seconds that the command itself takes, without the start of psql. */
async function timed(env, command) {
  const output = await psql(env, '\\timing on', command);
  const milliseconds = /^Time: ([\d.]+) ms/m.exec(output)?.[1];
  if (milliseconds === undefined) throw new Error('psql reported no time.');
  return Number(milliseconds) / 1000;
}

async function openSide(endpoint, rows) {
  const tunnel = await openTunnel(endpoint);
  const env = libpqEnvironment(endpoint, tunnel);
  await psql(env, ...TABLES(rows).split(';'));
  return { name: endpoint.name, env, tunnel };
}

/** Bulk data with \copy: out to nowhere, in from a file in memory. */
export async function copy({ sizes, say, ours, peer }) {
  const sides = [await openSide(await ours(), sizes.rows), await openSide((await peer()).endpoint, sizes.rows)];
  const directory = await mkdtemp(join(existsSync(MEMORY_DISK) ? MEMORY_DISK : tmpdir(), 'bd-'));
  try {
    await chmod(directory, 0o700);
    const file = join(directory, 'rows');
    await psql(sides[1].env, `\\copy bulk to '${file}'`);
    const megabytes = (await stat(file)).size / 1e6;
    const rate = async (env, command) => megabytes / (await timed(env, command));
    const out = await interleave(sizes.rounds, sides, ({ env }) => rate(env, '\\copy bulk to /dev/null'));
    say(`  out: ${JSON.stringify(rounded(out))} MB/s`);
    const into = await interleave(sizes.rounds, sides, async ({ env }) => {
      await psql(env, 'TRUNCATE bulk_in');
      return rate(env, `\\copy bulk_in from '${file}'`);
    });
    say(`  in: ${JSON.stringify(rounded(into))} MB/s`);
    const row = (name, values, atLeast) => ({
      name: `${name}, ${Math.round(megabytes)} MB in rows of 1 kB`,
      unit: 'MB/s',
      ours: values.gateway,
      peer: values.sshd,
      target: { atLeast },
    });
    return { compared: [row('COPY out', out, 0.9), row('COPY in', into, 0.75)] };
  } finally {
    for (const { tunnel } of sides) await tunnel.close();
    await rm(directory, { recursive: true, force: true });
  }
}

function rounded(values) {
  return Object.fromEntries(Object.entries(values).map(([name, rates]) => [name, rates.map(Math.round)]));
}
