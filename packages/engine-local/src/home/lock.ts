import { createHash, randomBytes } from 'node:crypto';
import { link, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { isSystemError, readIfPresent, writeFileAtomic } from '../system/files.js';
import { identify, isAlive, type ProcessIdentity } from '../system/process-identity.js';

const holder = z.object({ pid: z.number(), startTime: z.string(), bootId: z.string() });

/** Held by one process at a time; one left by a dead process is taken over. */
export interface HomeLock {
  release(): Promise<void>;
}

/** Takes the lock, or throws one sentence that names the process which holds it. */
export async function lockHome(path: string): Promise<HomeLock> {
  const lock = await tryLock(path);
  if ('release' in lock) return lock;
  throw new Error(`Another keeper (process ${lock.pid}) already runs on this home; its lock is ${path}.`);
}

/** Takes the lock and returns it, or returns the living process that holds it. */
export async function tryLock(path: string): Promise<HomeLock | ProcessIdentity> {
  const mine = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFileAtomic(mine, JSON.stringify(await identify(process.pid)), 0o600);
  try {
    // A hard link appears with its content or not at all, and fails when somebody else has the name.
    while (!(await tryLink(mine, path))) {
      const held = await holderOf(path);
      if (held) return held;
    }
    return { release: () => rm(path, { force: true }) };
  } finally {
    await rm(mine, { force: true });
  }
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

/** The living holder; null when the lock is free, after a dead holder's was removed. */
async function holderOf(path: string): Promise<ProcessIdentity | null> {
  const text = await readIfPresent(path);
  if (text === null) return null;
  const held = holder.safeParse(parseOrNull(text));
  if (held.success && (await isAlive(held.data))) return held.data;
  await removeStale(path, text);
  return null;
}

/**
 * Of all who found this stale lock one may remove it: who holds the lock named after its content. Without that a slow one could
 * remove the lock of a fast one that already took over. A remover that was killed leaves a stale lock like any other.
 */
async function removeStale(path: string, text: string): Promise<void> {
  const right = await tryLock(`${path}.${createHash('sha256').update(text).digest('hex').slice(0, 16)}`);
  if (!('release' in right)) {
    await sleep(10);
    return;
  }
  try {
    if ((await readIfPresent(path)) === text) await rm(path, { force: true });
  } finally {
    await right.release();
  }
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
