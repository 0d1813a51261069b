import { createHash, type Hash } from 'node:crypto';
import { StoreError } from './object-store.js';

const BYTES = 32;

/** The content with its SHA-256 behind it: how objects stand in a store. */
export async function* withChecksum(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  for await (const part of content) {
    hash.update(part);
    yield part;
  }
  yield hash.digest();
}

/** The content of an object as it stands in a store; throws `damaged` at its end unless it is what was put. */
export async function* withoutChecksum(stored: AsyncIterable<Buffer>, what: string): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let held: Buffer = Buffer.alloc(0);
  for await (const part of stored) {
    const all = Buffer.concat([held, part]);
    const content = all.subarray(0, Math.max(0, all.length - BYTES));
    held = all.subarray(content.length);
    if (content.length === 0) continue;
    hash.update(content);
    yield content;
  }
  if (!isDigest(hash, held))
    throw new StoreError('damaged', `${what} is damaged: its checksum is not that of what was put there.`);
}

const isDigest = (hash: Hash, held: Buffer) => hash.digest().equals(held);
