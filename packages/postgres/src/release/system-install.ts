import { access, cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../run.js';
import { ReleaseError } from './release-error.js';

const programsOf = (major: string) => `lib/postgresql/${major}`;
const dataOf = (major: string) => `share/postgresql/${major}`;

/** The exact version of this machine's own PostgreSQL of a major (Debian's layout); null when there is none. */
export async function systemVersion(major: string): Promise<string | null> {
  const program = join('/usr', programsOf(major), 'bin/postgres');
  try {
    await access(program);
  } catch {
    return null;
  }
  return programVersion(program);
}

/** What a `postgres` program says of itself: `16.14`. */
export async function programVersion(program: string): Promise<string> {
  const { stdout } = await run(program, ['--version']);
  const version = /PostgreSQL\) (\d+\.\d+)/.exec(stdout)?.[1];
  if (!version) throw new ReleaseError('corrupt', `"${program}" does not say which PostgreSQL it is.`);
  return version;
}

/**
 * Copies the system's PostgreSQL into `root` (made here) and returns where its programs are in it. The copy keeps the
 * layout below /usr, because the programs find their data by a path relative to their own.
 */
export async function copySystemInstall(major: string, root: string): Promise<string> {
  await mkdir(root);
  for (const part of [programsOf(major), dataOf(major)]) {
    await cp(join('/usr', part), join(root, part), { recursive: true, verbatimSymlinks: true });
  }
  return join(programsOf(major), 'bin');
}
