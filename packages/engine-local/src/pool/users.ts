import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identify, type ProcessIdentity } from '../system/process-identity.js';
import { terminate } from '../system/termination.js';
import { clearFile, imageOf, type Pool } from './pool.js';
import { PoolError } from './pool-error.js';

export interface MountUser {
  identity: ProcessIdentity;
  /** As the kernel calls it: `postgres`. */
  name: string;
  /** False: it only stands there with its working directory, as a shell does. */
  holdsFiles: boolean;
}

/** The processes, this one left out, that have something below the directory open, mapped, or as their working directory. */
export async function usersOf(directory: string): Promise<MountUser[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return (await Promise.all(pids.map((pid) => asUser(pid, directory)))).filter((user) => user !== null);
}

async function asUser(pid: string, directory: string): Promise<MountUser | null> {
  const holdsFiles = await holds(pid, directory);
  const standsThere = isInside(await linkOf(join('/proc', pid, 'cwd')), directory);
  const identity = holdsFiles || standsThere ? await identify(Number(pid)) : null;
  if (!identity) return null;
  const name = await readFile(join('/proc', pid, 'comm'), 'utf8').catch(() => pid);
  return { identity, name: name.trim(), holdsFiles };
}

async function holds(pid: string, directory: string): Promise<boolean> {
  const descriptors = await readdir(join('/proc', pid, 'fd')).catch(() => []);
  const links = await Promise.all([
    linkOf(join('/proc', pid, 'exe')),
    ...descriptors.map((descriptor) => linkOf(join('/proc', pid, 'fd', descriptor))),
  ]);
  if (links.some((link) => isInside(link, directory))) return true;
  const maps = await readFile(join('/proc', pid, 'maps'), 'utf8').catch(() => '');
  return maps.includes(` ${directory}/`);
}

const isInside = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`);

const linkOf = (path: string): Promise<string> => readlink(path).catch(() => '');

/** Ends what holds files below the directory, where nothing can be read or written any more. */
export async function endUsersOf(directory: string): Promise<void> {
  const users = await usersOf(directory);
  // No time to shut down: what they would write is refused.
  await Promise.all(users.filter(({ holdsFiles }) => holdsFiles).map(({ identity }) => terminate(identity, 0)));
}

/** For a sentence: `postgres (process 12), bash (process 13)`. */
export function nameUsers(users: readonly MountUser[]): string {
  return (
    users.map(({ name, identity }) => `${basename(name)} (process ${identity.pid})`).join(', ') || 'something unknown'
  );
}

const TOOLS = ['mount', 'umount', 'losetup', 'mkfs.xfs', 'xfs_growfs', 'fallocate', 'qemu-img', 'cryptsetup'];
const ORPHAN_SECONDS = 300;

/** Waits for the programs that a killed process of ours left at work on the pool: they would change it under the next one's hands. */
export async function untilOrphansEnd(pool: Pool): Promise<void> {
  const end = Date.now() + ORPHAN_SECONDS * 1000;
  while (await hasOrphans(pool)) {
    if (Date.now() > end)
      throw new PoolError(`A program is still at work on ${imageOf(pool)}: wait for it, or end it.`);
    await sleep(100);
  }
}

async function hasOrphans(pool: Pool): Promise<boolean> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(
    pids.map((pid) => readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(() => '')),
  );
  return commands.some((command) => {
    const [name = '', ...args] = command.split('\0');
    // A device is all that some of them are told.
    const about = [imageOf(pool), clearFile(pool), pool.home];
    return (
      TOOLS.includes(basename(name)) &&
      args.some(
        (arg) =>
          about.some((path) => arg === path || arg.includes(JSON.stringify(path))) ||
          /^(\/dev\/loop|\/dev\/mapper\/borealis-|borealis-)/.test(arg),
      )
    );
  });
}
