import { access, cp, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../run.js';
import { ReleaseError } from './release-error.js';

const programsOf = (major: string) => `lib/postgresql/${major}`;
const dataOf = (major: string) => `share/postgresql/${major}`;

/** Where Debian's packages are unpacked. */
export const SYSTEM_ROOT = '/usr';

/** The exact version of this machine's own PostgreSQL of a major (Debian's layout, below `root`); null when there is none. */
export async function systemVersion(major: string, root = SYSTEM_ROOT): Promise<string | null> {
  const program = join(root, programsOf(major), 'bin/postgres');
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
 * Copies the PostgreSQL of the system at `from` into `root` (made here) and returns where its programs are in it. The copy keeps the
 * layout below /usr, because the programs find their data by a path relative to their own. Throws `unavailable` when the files have
 * changed meanwhile: they may then be of two releases.
 */
export async function copySystemInstall(major: string, from: string, root: string): Promise<string> {
  await mkdir(root);
  for (const part of [programsOf(major), dataOf(major)]) {
    const before = await fingerprint(join(from, part));
    await cp(join(from, part), join(root, part), { recursive: true, verbatimSymlinks: true });
    if ((await fingerprint(join(from, part))) !== before)
      throw new ReleaseError('unavailable', `This system's PostgreSQL ${major} is just being changed.`);
  }
  return join(programsOf(major), 'bin');
}

/** Another one when any file was replaced: a package manager puts a new file in the place of the old one. */
async function fingerprint(directory: string): Promise<string> {
  const names = (await readdir(directory, { recursive: true })).sort();
  const files = await Promise.all(
    names.map(async (name) => {
      // A link may lead to what is not installed.
      const found = await stat(join(directory, name)).catch(() => null);
      return `${name} ${found?.ino} ${found?.size} ${found?.mtimeMs}`;
    }),
  );
  return files.join('\n');
}
