import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { end, run } from './run.mjs';

const DEBIAN = ['18', '17', '16', '15', '14', '13'].map((major) => `/usr/lib/postgresql/${major}/bin/pgbench`);

/** The machine's own pgbench; throws a sentence when there is none. */
export async function findPgbench() {
  const program = DEBIAN.find((path) => existsSync(path)) ?? 'pgbench';
  await run(program, ['--version']).catch(() => {
    throw new Error('pgbench is not installed (Debian: postgresql-contrib).');
  });
  return program;
}

/** Makes pgbench's tables, about 15 MB for each unit of scale. */
export async function fill(env, scale) {
  await run(await findPgbench(), ['--initialize', '--quiet', '-s', String(scale)], { env });
}

/** Runs pgbench to its end; gives the transactions a second that it reports. */
export async function pgbench(env, args) {
  const output = await run(await findPgbench(), ['-n', ...args], { env });
  const rate = /^tps = ([\d.]+)/m.exec(output)?.[1];
  if (rate === undefined)
    throw new Error(`pgbench reported no rate: ${output.trim().split('\n').slice(-3).join(', ')}.`);
  return Number(rate);
}

/** Runs `work` while pgbench writes. */
export async function underLoad(env, clients, work) {
  const child = spawn(await findPgbench(), ['-n', '-c', String(clients), '-T', '3600'], { env, stdio: 'ignore' });
  try {
    const result = await work();
    if (child.exitCode !== null) throw new Error(`pgbench ended with ${child.exitCode} before its time.`);
    return result;
  } finally {
    await end(child, 'SIGINT');
  }
}

/** The same, but a commit does not wait for the disk: as fast as the processors allow. */
export const notWaiting = (env) => ({ ...env, PGOPTIONS: '-c synchronous_commit=off' });
