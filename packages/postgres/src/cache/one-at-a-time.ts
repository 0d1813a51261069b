import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { withoutStoreAccess } from '../environment.js';

/**
 * Runs `work` while no other process of this machine holds the lock on `file`. The kernel keeps it (flock), so it ends with
 * whoever holds it, however that ends.
 */
export async function oneAtATime<T>(file: string, work: () => Promise<T>): Promise<T> {
  // Closed to others: whoever can open it can keep it.
  await writeFile(file, '', { flag: 'a', mode: 0o600 });
  // `cat` says that the lock is held by repeating the line, and goes when this process does: its input ends.
  const holder = spawn('flock', ['--no-fork', file, 'cat'], {
    env: withoutStoreAccess(),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = once(holder, 'exit');
  try {
    holder.stdin.on('error', () => {});
    holder.stdin.write('held\n');
    await Promise.race([once(holder.stdout, 'data'), ended.then(() => Promise.reject(new LockError(file)))]);
    return await work();
  } finally {
    holder.stdin.destroy();
    await ended.catch(() => {});
  }
}

class LockError extends Error {
  constructor(file: string) {
    super(`the lock on "${file}" cannot be had`);
    this.name = 'LockError';
  }
}
