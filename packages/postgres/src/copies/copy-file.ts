import { constants, copyFile, type FileHandle, open } from 'node:fs/promises';
import type { OsUser } from '../server/spec.js';

/** `reflink`: both copies share their blocks until one is written to; `plain`: every byte was copied. */
export type CopyMethod = 'reflink' | 'plain';

/** How files are copied, and for whom. */
export interface FileCopying {
  method: CopyMethod;
  /** Only files of this user are read: a link out of the directory leads to nobody else's. */
  from: number;
  /** Who the copies belong to; null: this process's own user. */
  to: OsUser | null;
  signal: AbortSignal;
  /** True: the copy is not yet on disk when it is made, and the caller's to be put there. */
  syncLater?: boolean;
  /** Told of every piece that was copied. */
  onBytes(bytes: number): void;
}

const PIECE = 1024 * 1024;

/** Copies a file as long as it was when it was opened, durably unless told otherwise; false when there is none. */
export async function copyOneFile(source: string, target: string, how: FileCopying): Promise<boolean> {
  how.signal.throwIfAborted();
  const file = await openIfPresent(source);
  if (!file) return false;
  try {
    const found = await file.stat();
    if (!found.isFile() || found.uid !== how.from)
      throw new Error(`"${source}" is no file of the server's own user, so it is not copied.`);
    if (how.method === 'reflink') await reflink(file, source, target);
    const copy = await open(target, how.method === 'reflink' ? 'r+' : 'wx+', 0o600);
    try {
      if (how.method === 'plain') await copyBytes(file, copy, found.size, how);
      else how.onBytes(found.size);
      if (how.to && process.getuid?.() === 0) await copy.chown(how.to.uid, how.to.gid);
      if (!how.syncLater) await copy.sync();
    } finally {
      await copy.close();
    }
    return true;
  } finally {
    await file.close();
  }
}

/** What the file systems of both places can do, tried on a real file; `trial` is a path that is free. */
export async function probeMethod(source: string, trial: string): Promise<CopyMethod> {
  const file = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    await reflink(file, source, trial);
    return 'reflink';
  } catch (error) {
    // As ext4, two file systems, an old kernel and a pool that is no file system at all say it.
    const codes = ['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY'];
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return 'plain';
    throw error;
  } finally {
    await file.close();
  }
}

async function reflink(file: FileHandle, source: string, target: string): Promise<void> {
  // Of the file that was opened and looked at, whatever bears its name by now.
  const opened = process.platform === 'linux' ? `/proc/self/fd/${file.fd}` : source;
  await copyFile(opened, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
}

/** In pieces, so that it can be ended, and so that the file system's few threads are soon free for others. */
async function copyBytes(from: FileHandle, to: FileHandle, size: number, how: FileCopying): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(PIECE, Math.max(1, size)));
  for (let position = 0; position < size; ) {
    how.signal.throwIfAborted();
    const { bytesRead } = await from.read(buffer, 0, Math.min(buffer.length, size - position), position);
    // The server has cut it off meanwhile; recovery does the same to the copy.
    if (bytesRead === 0) return;
    await writeAll(to, buffer.subarray(0, bytesRead), position);
    position += bytesRead;
    how.onBytes(bytesRead);
  }
}

async function writeAll(to: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await to.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

async function openIfPresent(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    if (code === 'ELOOP') throw new Error(`"${path}" is a link, so it is not copied.`, { cause: error });
    throw error;
  }
}
