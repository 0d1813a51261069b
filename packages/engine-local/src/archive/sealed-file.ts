import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress, createBrotliDecompress } from 'node:zlib';
import type { Secret } from '@borealis/contract';
import { syncDirectory } from '../system/files.js';
import { FRAME_BYTES, Frames, HEADER_BYTES, LENGTH_BYTES } from './frames.js';
import { SealedFileError } from './sealed-file-error.js';

export interface Seal {
  /** 32 bytes. */
  key: Secret<Buffer>;
  /** What the content is called. It can be opened by this name only, so no sealed file passes for another. */
  name: string;
}

const CHUNK_BYTES = 256 * 1024;
const TEMPORARY = '.sealing';

/** True for the name of a file that `seal` has not finished: after a crash it is to be removed. */
export function isHalfSealed(file: string): boolean {
  return file.endsWith(TEMPORARY);
}

/**
 * Writes the content compressed and encrypted (AES-256-GCM) in place of the file: after a crash or power loss it is there as a whole or
 * not at all; on a failure nothing is left. Needs the same few megabytes of memory for every size. Returns the bytes it takes.
 */
export async function seal(source: AsyncIterable<Buffer>, path: string, { key, name }: Seal): Promise<number> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}${TEMPORARY}`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    let size: number;
    try {
      const frames = new Frames(key, name, randomBytes(Frames.saltBytes));
      const params = { [constants.BROTLI_PARAM_QUALITY]: 0, [constants.BROTLI_PARAM_LGWIN]: 18 };
      const compress = createBrotliCompress({ params, chunkSize: CHUNK_BYTES });
      await pipeline(source, compress, (compressed: AsyncIterable<Buffer>) => writeFrames(file, frames, compressed));
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

async function writeFrames(file: FileHandle, frames: Frames, content: AsyncIterable<Buffer>): Promise<void> {
  await file.writeFile(frames.header());
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of content) {
    parts.push(chunk);
    bytes += chunk.length;
    // Something always stays behind: only the end of the content tells which frame is the last.
    if (bytes <= FRAME_BYTES) continue;
    let rest = Buffer.concat(parts);
    for (; rest.length > FRAME_BYTES; rest = rest.subarray(FRAME_BYTES))
      await file.writeFile(frames.seal(rest.subarray(0, FRAME_BYTES), false));
    parts = [rest];
    bytes = rest.length;
  }
  await file.writeFile(frames.seal(Buffer.concat(parts), true));
}

/**
 * The content of a sealed file. Every byte it gives was sealed with that key under that name; that all of it was given is certain only at
 * the end. Throws a `SealedFileError` for a file that is not what it should be, a system error when it cannot be read.
 */
export async function* openSealed(path: string, { key, name }: Seal): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  try {
    const decompress = createBrotliDecompress({ chunkSize: CHUNK_BYTES });
    const reading = pipeline(readFrames(file, path, { key, name }), decompress);
    // The reader of `decompress` gets the same error.
    reading.catch(() => undefined);
    for await (const chunk of decompress) yield chunk as Buffer;
    await reading;
  } catch (error) {
    if (!isCompressionError(error)) throw error;
    throw new SealedFileError(path, 'damaged', 'cannot be decompressed', { cause: error });
  } finally {
    await file.close();
  }
}

function isCompressionError(error: unknown): boolean {
  return /^(ERR_|Z_)/.test(String((error as NodeJS.ErrnoException).code));
}

async function* readFrames(file: FileHandle, path: string, { key, name }: Seal): AsyncGenerator<Buffer> {
  const header = await read(file, HEADER_BYTES);
  const salt = Frames.saltOf(header);
  if (!salt) throw new SealedFileError(path, 'not_sealed', 'does not begin as a sealed file does');
  if (header.length < HEADER_BYTES) throw truncated(path);
  const frames = new Frames(key, name, salt);
  const mismatch = frames.mismatch(header);
  if (mismatch === 'other_key')
    throw new SealedFileError(path, mismatch, 'was sealed with another key, or its beginning is damaged');
  if (mismatch) throw new SealedFileError(path, mismatch, `is not what was sealed under the name "${name}"`);
  for (let last = false; !last; ) {
    const frame = await readFrame(file, path, frames);
    last = frame.last;
    yield frame.content;
  }
  if ((await read(file, 1)).length > 0) throw new SealedFileError(path, 'damaged', 'goes on after its end');
}

async function readFrame(file: FileHandle, path: string, frames: Frames): Promise<{ content: Buffer; last: boolean }> {
  const length = await read(file, LENGTH_BYTES);
  if (length.length < LENGTH_BYTES) throw truncated(path);
  const { number } = frames;
  const frame = Frames.readLength(length);
  const wrong = (cause?: unknown) =>
    new SealedFileError(path, 'damaged', `is damaged: its part ${number} is not the one that was sealed`, { cause });
  if (!frame) throw wrong();
  const sealed = await read(file, frame.bytes);
  if (sealed.length < frame.bytes) throw truncated(path);
  try {
    return { content: frames.open(sealed, frame.last), last: frame.last };
  } catch (error) {
    throw wrong(error);
  }
}

function truncated(path: string): SealedFileError {
  return new SealedFileError(path, 'truncated', 'ends too early');
}

/** The next so many bytes; fewer at the end of the file. */
async function read(file: FileHandle, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  let length = 0;
  while (length < bytes) {
    const { bytesRead } = await file.read(buffer, length, bytes - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}
