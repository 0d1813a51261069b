import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncPath } from '../durable.js';
import { ReleaseError } from '../release/release-error.js';

/**
 * Puts a directory into the cache, which is made when it is missing: `make` returns what it made below the directory it is
 * given. Processes may race: the first complete one is kept. What killed processes left half-made is removed.
 */
export async function putEntry(
  cacheDir: string,
  final: string,
  make: (work: string) => Promise<string>,
): Promise<void> {
  await makeCache(cacheDir);
  await removeAbandoned(cacheDir);
  const work = join(cacheDir, `.making-${process.pid}-${randomBytes(4).toString('hex')}`);
  await mkdir(work);
  try {
    await publish(await make(work), final);
  } finally {
    await rm(work, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function publish(made: string, final: string): Promise<void> {
  try {
    await rename(made, final);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Another process was first; what it made is as good.
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
  await syncPath(dirname(final));
}

/** Throws `unavailable` when the cache directory can not be made. */
export async function makeCache(cacheDir: string): Promise<void> {
  try {
    // Open to all whatever the umask is: servers may run as another user.
    if (await mkdir(cacheDir, { recursive: true })) await chmod(cacheDir, 0o755);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ReleaseError('unavailable', `The cache directory "${cacheDir}" cannot be made: ${code}.`, {
      cause: error,
    });
  }
}

const ABANDONED_AFTER_MS = 10 * 60_000;

async function removeAbandoned(cacheDir: string): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    const pid = /^\.making-(\d+)-/.exec(name)?.[1];
    if (!pid || isRunning(Number(pid))) continue;
    const path = join(cacheDir, name);
    const age =
      Date.now() -
      (await stat(path).then(
        (s) => s.mtimeMs,
        () => Date.now(),
      ));
    // The age guards makers in another process namespace, whose pids mean nothing here.
    if (age > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
