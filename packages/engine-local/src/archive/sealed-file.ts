import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readPieces, syncDirectory } from '../system/files.js';
import { openStream, type Seal, sealStream } from './sealed-stream.js';

export type { Seal } from './sealed-stream.js';

const TEMPORARY = '.sealing';

/** True for the name of a file that `seal` has not finished: after a crash it is to be removed. */
export function isHalfSealed(file: string): boolean {
  return file.endsWith(TEMPORARY);
}

/**
 * Writes the content compressed and encrypted (AES-256-GCM) in place of the file: after a crash or power loss it is there as a whole or
 * not at all; on a failure nothing is left. Needs the same few megabytes of memory for every size. Returns the bytes it takes.
 */
export async function seal(source: AsyncIterable<Buffer>, path: string, how: Seal): Promise<number> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}${TEMPORARY}`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    let size: number;
    try {
      for await (const piece of sealStream(source, how)) await file.writeFile(piece);
      ({ size } = await file.stat());
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
    return size;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * The content of a sealed file. Every byte it gives was sealed with that key under that name; that all of it was given is certain only at
 * the end. Throws a `SealedFileError` for a file that is not what it should be, a system error when it cannot be read.
 */
export async function* openSealed(path: string, how: Seal): AsyncGenerator<Buffer> {
  yield* openStream(readPieces(path), how, path);
}
