import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isSegment, SEGMENT_BYTES } from './wal-names.js';

const READ_BYTES = 1024 * 1024;
const LONGEST_NOTE = 1024 * 1024;

/**
 * The content of a file that PostgreSQL has put into its spool. The directory is its user's, who could put anything there: only a file
 * that is his own and has the length of its kind is read, and none is followed through a link or waited for as for a pipe.
 */
export async function* readSpooled(path: string, name: string, uid: number): AsyncGenerator<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const size = await checkedSize(file, path, name, uid);
    for (let at = 0; at < size; ) {
      const buffer = Buffer.alloc(Math.min(READ_BYTES, size - at));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error(`"${path}" became shorter while it was read.`);
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function checkedSize(file: FileHandle, path: string, name: string, uid: number): Promise<number> {
  const found = await file.stat();
  if (!found.isFile() || found.nlink !== 1 || found.uid !== uid)
    throw new Error(`"${path}" is not a file of PostgreSQL's own user.`);
  const fits = isSegment(name) || name.endsWith('.partial') ? found.size === SEGMENT_BYTES : found.size <= LONGEST_NOTE;
  if (!fits) throw new Error(`"${path}" has ${found.size} bytes, which no WAL file of its name has.`);
  return found.size;
}
