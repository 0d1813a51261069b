import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isPostmasterOf, orphansOf } from './cluster-processes.js';
import { listProcesses } from './processes.js';

/** True while any process of a server of that data directory runs, whatever its pid file says. */
export async function isInUse(dataDirectory: string): Promise<boolean> {
  const all = await listProcesses();
  if (all.some(({ command }) => isPostmasterOf(dataDirectory, command))) return true;
  return (await orphansOf(dataDirectory, all)).length > 0;
}

/** The first file or directory that the user of a server cannot both read and write, though it is in its data; null when there is none. */
export async function closedFile(path: string, uid: number): Promise<string | null> {
  const found = await lstat(path);
  const wanted = found.isDirectory() ? 0o700 : 0o600;
  if (found.uid !== uid || (found.mode & wanted) !== wanted) return path;
  if (!found.isDirectory()) return null;
  for (const name of await readdir(path)) {
    const closed = await closedFile(join(path, name), uid);
    if (closed !== null) return closed;
  }
  return null;
}
