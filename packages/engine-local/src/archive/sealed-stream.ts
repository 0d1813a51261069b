import { randomBytes } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress, createBrotliDecompress } from 'node:zlib';
import type { Secret } from '@borealis/contract';
import { ByteReader } from './byte-reader.js';
import { FRAME_BYTES, Frames, HEADER_BYTES, LENGTH_BYTES } from './frames.js';
import { SealedFileError } from './sealed-file-error.js';

export interface Seal {
  /** 32 bytes. */
  key: Secret<Buffer>;
  /** What the content is called. It can be opened by this name only, so nothing that is sealed passes for another. */
  name: string;
}

const CHUNK_BYTES = 256 * 1024;

/** The content compressed and encrypted (AES-256-GCM), in pieces of about a megabyte; needs the same few of them for every size. */
export async function* sealStream(source: AsyncIterable<Buffer>, { key, name }: Seal): AsyncGenerator<Buffer> {
  const frames = new Frames(key, name, randomBytes(Frames.saltBytes));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 0, [constants.BROTLI_PARAM_LGWIN]: 18 };
  const compress = createBrotliCompress({ params, chunkSize: CHUNK_BYTES });
  const compressing = pipeline(source, compress);
  // The reader of `compress` gets the same error.
  compressing.catch(() => undefined);
  yield frames.header();
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of compress as AsyncIterable<Buffer>) {
    parts.push(chunk);
    bytes += chunk.length;
    // Something always stays behind: only the end of the content tells which frame is the last.
    if (bytes <= FRAME_BYTES) continue;
    let rest = Buffer.concat(parts);
    for (; rest.length > FRAME_BYTES; rest = rest.subarray(FRAME_BYTES))
      yield frames.seal(rest.subarray(0, FRAME_BYTES), false);
    parts = [rest];
    bytes = rest.length;
  }
  await compressing;
  yield frames.seal(Buffer.concat(parts), true);
}

/**
 * The content of what was sealed; `where` is what errors call it. Every byte it gives was sealed with that key under that name; that all of
 * it was given is certain only at the end. Throws a `SealedFileError` for what is not what it should be, and whatever `source` throws.
 */
export async function* openStream(
  source: AsyncIterable<Buffer>,
  { key, name }: Seal,
  where: string,
): AsyncGenerator<Buffer> {
  try {
    const decompress = createBrotliDecompress({ chunkSize: CHUNK_BYTES });
    const reading = pipeline(readFrames(new ByteReader(source), where, { key, name }), decompress);
    // The reader of `decompress` gets the same error.
    reading.catch(() => undefined);
    for await (const chunk of decompress) yield chunk as Buffer;
    await reading;
  } catch (error) {
    if (!isCompressionError(error)) throw error;
    throw new SealedFileError(where, 'damaged', 'cannot be decompressed', { cause: error });
  }
}

function isCompressionError(error: unknown): boolean {
  return /^(ERR_|Z_)/.test(String((error as NodeJS.ErrnoException).code));
}

async function* readFrames(bytes: ByteReader, where: string, { key, name }: Seal): AsyncGenerator<Buffer> {
  try {
    const header = await bytes.read(HEADER_BYTES);
    const salt = Frames.saltOf(header);
    if (!salt) throw new SealedFileError(where, 'not_sealed', 'does not begin as a sealed file does');
    if (header.length < HEADER_BYTES) throw truncated(where);
    const frames = new Frames(key, name, salt);
    const mismatch = frames.mismatch(header);
    if (mismatch === 'other_key')
      throw new SealedFileError(where, mismatch, 'was sealed with another key, or its beginning is damaged');
    if (mismatch) throw new SealedFileError(where, mismatch, `is not what was sealed under the name "${name}"`);
    for (let last = false; !last; ) {
      const frame = await readFrame(bytes, where, frames);
      last = frame.last;
      yield frame.content;
    }
    if ((await bytes.read(1)).length > 0) throw new SealedFileError(where, 'damaged', 'goes on after its end');
  } finally {
    await bytes.end();
  }
}

async function readFrame(
  bytes: ByteReader,
  where: string,
  frames: Frames,
): Promise<{ content: Buffer; last: boolean }> {
  const length = await bytes.read(LENGTH_BYTES);
  if (length.length < LENGTH_BYTES) throw truncated(where);
  const { number } = frames;
  const frame = Frames.readLength(length);
  const wrong = (cause?: unknown) =>
    new SealedFileError(where, 'damaged', `is damaged: its part ${number} is not the one that was sealed`, { cause });
  if (!frame) throw wrong();
  const sealed = await bytes.read(frame.bytes);
  if (sealed.length < frame.bytes) throw truncated(where);
  try {
    return { content: frames.open(sealed, frame.last), last: frame.last };
  } catch (error) {
    throw wrong(error);
  }
}

function truncated(where: string): SealedFileError {
  return new SealedFileError(where, 'truncated', 'ends too early');
}
