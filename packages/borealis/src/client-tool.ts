import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { DEFAULT_POSTGRES_MAJOR } from '@borealis/contract';
import { CLIENT_PROGRAMS, type ClientProgram, cacheDirectory, ensureClientTools } from '@borealis/postgres';
import { exitStatus } from './exit-status.js';
import { Failure } from './failure.js';

const USAGE = 'borealis tool pg_dump|pg_restore|psql [--postgres MAJOR] -- ARGS…';

/**
 * Runs one of PostgreSQL's client programs, at least as new as the server's major; fetches it first where the machine has none and
 * can. Returns its status.
 */
export async function runClientTool(args: string[]): Promise<number> {
  const split = args.indexOf('--');
  const { values, positionals } = parseArgs({
    args: split < 0 ? args : args.slice(0, split),
    options: { postgres: { type: 'string', default: DEFAULT_POSTGRES_MAJOR } },
    allowPositionals: true,
  });
  const [name, ...rest] = positionals;
  if (!isClientProgram(name) || rest.length > 0) throw new Failure(`Say which program: ${USAGE}`);
  if (!/^\d+$/.test(values.postgres)) throw new Failure(`"${values.postgres}" is no major version: ${USAGE}`);
  const tools = await ensureClientTools({
    major: values.postgres,
    cacheDir: cacheDirectory(),
    onProgress: (sentence) => process.stderr.write(`${sentence}\n`),
  });
  return start([...tools.command(name), ...(split < 0 ? [] : args.slice(split + 1))]);
}

const isClientProgram = (name: string | undefined): name is ClientProgram =>
  CLIENT_PROGRAMS.some((program) => program === name);

async function start([program, ...args]: string[]): Promise<number> {
  const child = spawn(program!, args, { stdio: 'inherit' });
  // Ctrl-C is the program's: psql cancels a query by it and goes on.
  process.on('SIGINT', () => {});
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return exitStatus(code, signal);
}
