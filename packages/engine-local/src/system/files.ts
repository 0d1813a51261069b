import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, chown, lstat, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Who a file belongs to; left out, it is this process's own user. */
export interface Ownership {
  uid: number;
  gid: number;
}

/** True when the error is a system error of one of these codes: `ENOENT`, `ENOSPC`. */
export function isSystemError(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/**
 * Replaces the file as a whole: after a crash or power loss it holds the old or the new content, never a part. A failed
 * write (a full disk) leaves the old file and no other. Safe in directories that another user owns: the temporary file has an
 * unpredictable name and is never followed through a link.
 */
export async function writeFileAtomic(path: string, content: string, mode: number, owner?: Ownership): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
    const file = await open(temporary, flags, mode);
    try {
      await file.chmod(mode);
      if (owner) await file.chown(owner.uid, owner.gid);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes the directory's own entries durable: what was created, renamed or removed in it. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The file's text, or null when it does not exist. */
export async function readIfPresent(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null;
    throw error;
  }
}

/** Makes sure that a real directory (no link) with that mode and owner is there. */
export async function ensureDirectory(path: string, mode: number, owner?: Ownership): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error;
  }
  const found = await lstat(path);
  if (!found.isDirectory()) throw new Error(`${path} must be a directory, but something else is in its place.`);
  // Ownership first: chown clears the set-group-id bit.
  if (owner && (found.uid !== owner.uid || found.gid !== owner.gid)) await chown(path, owner.uid, owner.gid);
  await chmod(path, mode);
}

const READ_BYTES = 1024 * 1024;

/** The file's content in pieces of a megabyte; throws a system error when it cannot be read. */
export async function* readPieces(path: string): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(READ_BYTES);
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
