import { constants, type FileHandle, open } from 'node:fs/promises';
import type { OsUser } from './spec.js';

/** A server's log is cut to its newest half when it is longer than this. */
export const LOG_BYTES = 4 * 1024 * 1024;

/** Opens a server's log for appending; it belongs to the server's user and is readable by him alone. */
export async function openLog(path: string, os: OsUser | null): Promise<FileHandle> {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
  const handle = await open(path, O_APPEND | O_CREAT | O_NOFOLLOW | O_RDWR, 0o600);
  if (os && process.getuid?.() === 0) await handle.chown(os.uid, os.gid);
  return handle;
}

/**
 * Cuts a log that has more than `maxBytes` to its newest half, also while the server writes (it appends, so it goes on at the
 * new end; lines written during the cut may be lost). Call it now and then. A missing log is no error.
 */
export async function trimLog(path: string, maxBytes: number = LOG_BYTES): Promise<void> {
  const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW).catch(nullIfMissing);
  if (!handle) return;
  try {
    if ((await handle.stat()).size <= maxBytes) return;
    const kept = await readEnd(handle, Math.floor(maxBytes / 2));
    await handle.truncate(0);
    await handle.write(kept, 0, kept.length, 0);
  } finally {
    await handle.close();
  }
}

/** How a server refuses those who knock while it starts, stops or recovers: many times a second, it may be. */
const REFUSAL = /FATAL: {2}the database system is /;

/** The last lines of a log, out of its last 16 KiB and without refusals; empty when there is no log. */
export async function lastLines(path: string, count: number, from = 0): Promise<string> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(nullIfMissing);
  if (!handle) return '';
  try {
    const fresh = (await handle.stat()).size - from;
    const text = (await readEnd(handle, Math.max(0, Math.min(16_384, fresh)))).toString('utf8');
    const lines = text.trim().split('\n');
    return lines
      .filter((line) => !REFUSAL.test(line))
      .slice(-count)
      .join('\n');
  } finally {
    await handle.close();
  }
}

async function readEnd(handle: FileHandle, bytes: number): Promise<Buffer> {
  const { size } = await handle.stat();
  const length = Math.min(bytes, size);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
  return buffer.subarray(0, bytesRead);
}

function nullIfMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}
