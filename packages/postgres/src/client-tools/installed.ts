import { readdir, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { run } from '../run.js';
import { CLIENT_PROGRAMS, type ClientTools } from './tools.js';

/** The client programs that this system has; a directory counts when all of them are in it, of one version. */
export async function installedTools(directories?: readonly string[]): Promise<ClientTools[]> {
  const found = await Promise.all((directories ?? (await knownDirectories())).map(toolsIn));
  return found.filter((tools) => tools !== null);
}

/** Where packagers put one major beside another: the parent, what its entries are called, and where their programs are. */
const PLACES: readonly [string, RegExp, string][] = [
  ['/usr/lib/postgresql', /^\d+$/, 'bin'],
  ['/usr', /^pgsql-\d+$/, 'bin'],
  ['/opt/homebrew/opt', /^(libpq|postgresql)(@\d+)?$/, 'bin'],
  ['/usr/local/opt', /^(libpq|postgresql)(@\d+)?$/, 'bin'],
  ['/opt/local/lib', /^postgresql\d+$/, 'bin'],
  ['/Applications/Postgres.app/Contents/Versions', /^\d+$/, 'bin'],
];

async function knownDirectories(): Promise<string[]> {
  const versioned = await Promise.all(
    PLACES.map(async ([parent, name, programs]) =>
      (await entries(parent)).filter((entry) => name.test(entry)).map((entry) => join(parent, entry, programs)),
    ),
  );
  const path = (process.env.PATH ?? '').split(':').filter((directory) => directory.startsWith('/'));
  return [...new Set([...versioned.flat(), ...path])];
}

async function entries(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch {
    return [];
  }
}

async function toolsIn(directory: string): Promise<ClientTools | null> {
  const versions = new Set(await Promise.all(CLIENT_PROGRAMS.map((name) => versionOf(join(directory, name)))));
  const [version] = versions;
  return versions.size === 1 && version ? { version, command: (program) => [join(directory, program)] } : null;
}

/** Null when it is not there, is broken, or would choose among versions by itself. */
async function versionOf(program: string): Promise<string | null> {
  try {
    if (basename(await realpath(program)) === DEBIANS_CHOOSER) return null;
    return versionIn((await run(program, ['--version'])).stdout);
  } catch {
    return null;
  }
}

// It takes the version of the person's default server, not the newest.
const DEBIANS_CHOOSER = 'pg_wrapper';

/** `17.11` of `pg_dump (PostgreSQL) 17.11 (Debian …)`; null in another text. */
export function versionIn(text: string): string | null {
  return /\(PostgreSQL\) (\d+(?:\.\d+)?)/.exec(text)?.[1] ?? null;
}
