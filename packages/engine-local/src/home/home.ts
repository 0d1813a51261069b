import { lstat, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { randomName } from '@borealis/contract';
import { z } from 'zod';
import { refuseUnmounted } from '../pool/pool.js';
import { ensureDirectory, readIfPresent, writeFileAtomic } from '../system/files.js';
import { hasOsUsers } from '../system/os-users.js';
import { type HomePaths, homePaths } from './paths.js';

const identity = z.object({ format: z.literal(1), id: z.string().regex(/^[a-z0-9]{6}$/) });

/** A home that is ready for use; `id` tells it from other homes of this machine. */
export interface Home {
  id: string;
  paths: HomePaths;
}

/** Makes the home's directories where they are missing. Throws one sentence when they cannot serve. */
export async function prepareHome(directory: string): Promise<HomePaths> {
  const paths = homePaths(directory);
  await refuseUnmounted(paths.home);
  await mkdir(paths.home, { recursive: true, mode: traversable() });
  await ensureDirectory(paths.home, traversable());
  const closed = await closedParent(paths.home);
  if (hasOsUsers() && closed)
    throw new Error(
      `${closed} is closed to other users, and as root every database runs as a user of its own; ` +
        'choose a home whose parent directories can be entered by all, such as /var/lib/borealis.',
    );
  await prepareRuntimeDirectory(paths.run);
  for (const path of [paths.clusters, paths.releases]) await ensureDirectory(path, traversable());
  for (const path of [paths.authority, paths.events, paths.storeRemovals]) await ensureDirectory(path, 0o700);
  return paths;
}

/** The first directory on the way to `path` that users other than its owner cannot enter; null when all can be entered. */
export async function closedParent(path: string): Promise<string | null> {
  const parent = dirname(path);
  if (parent === path) return null;
  const above = await closedParent(parent);
  if (above) return above;
  const found = await stat(parent).catch(() => null);
  return found && (found.mode & 0o001) === 0 ? parent : null;
}

/** Other users must pass through to what is theirs; without other users nobody has to. */
export function traversable(): number {
  return hasOsUsers() ? 0o711 : 0o700;
}

/** It may lie in a directory where everybody can write: what another user put there is refused. */
async function prepareRuntimeDirectory(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (found && (!found.isDirectory() || found.uid !== process.getuid?.()))
    throw new Error(`${path} must be a directory of this user, but something else is in its place.`);
  await ensureDirectory(path, traversable());
}

/** The home's own short id, given once: it keeps the users of several homes on one machine apart. */
export async function homeIdentity(paths: HomePaths): Promise<string> {
  const text = await readIfPresent(paths.identity);
  if (text !== null) return identity.parse(JSON.parse(text)).id;
  const id = randomName(6);
  await writeFileAtomic(paths.identity, `${JSON.stringify({ format: 1, id })}\n`, 0o600);
  return id;
}
