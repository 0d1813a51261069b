import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, chmod, constants, lstat, mkdir, readdir, readlink, stat, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { closedParent, refuseUnmounted, tryLock } from '@borealis/engine-local';
import { Failure } from './failure.js';

/** The mode holds whatever the umask is. Node's own recursive mkdir never returns below file systems that refuse new entries with ENOENT, such as /proc. */
async function makeDirectory(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
    await chmod(path, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || existsSync(dirname(path)))
      throw new Failure(`${path} cannot be made (${code}): set BOREALIS_HOME to a directory that can be written.`);
    await makeDirectory(dirname(path), 0o755);
    await makeDirectory(path, mode);
  }
}

/**
 * As root PostgreSQL runs as users of its own, which cannot pass a closed directory (a project under /root, say). State then
 * lives under /var/lib/borealis and the home is a link to it.
 */
async function placeForRoot(home: string, say: (line: string) => void): Promise<string> {
  const info = await lstat(home).catch(() => null);
  if (info?.isSymbolicLink()) return resolve(dirname(home), await readlink(home));
  const closed = await closedParent(home);
  if (!closed) return home;
  if (info)
    throw new Failure(
      `${closed} is closed to other users, and PostgreSQL does not run as root: set BOREALIS_HOME to a directory that all can enter.`,
    );
  const real = join('/var/lib/borealis', createHash('sha256').update(home).digest('hex').slice(0, 12));
  await makeDirectory(real, 0o711);
  await makeDirectory(dirname(home), 0o755);
  await symlink(real, home);
  say(
    `This folder is closed to other users and PostgreSQL does not run as root, so data lives in ${real} (linked from ${home}).`,
  );
  return real;
}

/** What the first start makes first. */
const OURS = /^(up\.lock|ports\.json|credentials\.json|home\.json)/;

/** Its mode is about to be changed: that must not happen to /tmp, or to somebody's own home directory. */
async function refuseForeign(home: string): Promise<void> {
  if ((await stat(home)).uid !== process.getuid?.())
    throw new Failure(`${home} belongs to another user: set BOREALIS_HOME to a directory of your own.`);
  const names = await readdir(home);
  if (names.length > 0 && !names.some((name) => OURS.test(name)))
    throw new Failure(`${home} holds other files: set BOREALIS_HOME to a new or an empty directory.`);
}

/** Finds or makes the directory that the home is, whatever is in it, and returns its real path. */
export async function placeHome(home: string, say: (line: string) => void): Promise<string> {
  const root = process.getuid?.() === 0;
  const real = root ? await placeForRoot(home, say) : home;
  await makeDirectory(real, root ? 0o711 : 0o700);
  return real;
}

/** Makes or adopts the home directory and returns its real path. */
export async function ensureHome(home: string, say: (line: string) => void): Promise<string> {
  const root = process.getuid?.() === 0;
  const real = await placeHome(home, say);
  await refuseUnmounted(real);
  await refuseForeign(real);
  await chmod(real, root ? 0o711 : 0o700);
  await access(real, constants.W_OK);
  return real;
}

/** Takes the home for this process; throws a `Failure` while another `borealis up` has it. Returns the release. */
export async function lockHome(home: string): Promise<() => Promise<void>> {
  const lock = await tryLock(join(home, 'up.lock'));
  if ('release' in lock) return lock.release;
  throw new Failure(
    `Borealis is already running on ${home} (process ${lock.pid}): stop it first, or set BOREALIS_HOME to another directory.`,
  );
}
