import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { identify, type ProcessIdentity } from '../system/process-identity.js';
import { terminate } from '../system/termination.js';

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
