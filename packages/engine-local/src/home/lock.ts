import { randomBytes } from 'node:crypto';
import { link, rename, rm } from 'node:fs/promises';
import { z } from 'zod';
import { isSystemError, readIfPresent, writeFileAtomic } from '../system/files.js';
import { identify, isAlive } from '../system/process-identity.js';

const holder = z.object({ pid: z.number(), startTime: z.string(), bootId: z.string() });

/** Held by one process at a time; one left by a dead process is taken over. */
export interface HomeLock {
  release(): Promise<void>;
}

/** Takes the lock, or throws one sentence that names the process which holds it. */
export async function lockHome(path: string): Promise<HomeLock> {
  const mine = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFileAtomic(mine, JSON.stringify(await identify(process.pid)), 0o600);
  try {
    // A hard link appears with its content or not at all, and fails when somebody else has the name.
    while (!(await tryLink(mine, path))) await removeStale(path);
  } finally {
    await rm(mine, { force: true });
  }
  return { release: () => rm(path, { force: true }) };
}

async function tryLink(mine: string, path: string): Promise<boolean> {
  try {
    await link(mine, path);
    return true;
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false;
    throw error;
  }
}

async function removeStale(path: string): Promise<void> {
  const text = await readIfPresent(path);
  if (text === null) return;
  await refuseIfHeld(text, path);
  // Two successors may get here together: the lock is moved aside first, and put back if it was already the other's.
  const aside = `${path}.${randomBytes(6).toString('hex')}.stale`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return;
    throw error;
  }
  const moved = await readIfPresent(aside);
  if (moved !== null && moved !== text) await tryLink(aside, path);
  await rm(aside, { force: true });
}

async function refuseIfHeld(text: string, path: string): Promise<void> {
  const held = holder.safeParse(parseOrNull(text));
  if (held.success && (await isAlive(held.data)))
    throw new Error(`Another keeper (process ${held.data.pid}) already runs on this home; its lock is ${path}.`);
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
