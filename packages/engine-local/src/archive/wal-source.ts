import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError } from '../system/files.js';
import { readSpooled } from './spooled-file.js';
import { isHistory, isSegment, parseSegment, SEGMENT_BYTES } from './wal-names.js';

/** Where files of WAL are to be had by their names. */
export interface WalSource {
  has(name: string): Promise<boolean>;
  /** The content of a file that is there. */
  read(name: string): AsyncIterable<Buffer>;
}

/** The first of these that has a file gives it. */
export function firstOf(...sources: readonly WalSource[]): WalSource {
  const find = async (name: string) => {
    for (const source of sources) if (await source.has(name)) return source;
    return null;
  };
  return {
    has: async (name) => (await find(name)) !== null,
    async *read(name) {
      const source = await find(name);
      if (!source) throw new Error(`The WAL file ${name} is gone.`);
      yield* source.read(name);
    },
  };
}

/** Bytes of the header of a segment's first page up to its own place in the log, and where that stands. */
const HEADER_BYTES = 16;
const PLACE_AT = 8;

/** What a stopped server left in its `pg_wal`, with the segment that it was writing. Nothing is followed or read that is not of its user. */
export class LeftWal implements WalSource {
  constructor(
    private readonly directory: string,
    private readonly uid: number,
  ) {}

  /** The names of all segments, sorted. */
  async segments(): Promise<string[]> {
    const names = (await readdir(this.directory).catch(nothingIfMissing)).filter(isSegment).sort();
    const found = await Promise.all(names.map((name) => this.has(name)));
    return names.filter((_, at) => found[at]);
  }

  async has(name: string): Promise<boolean> {
    if (!isSegment(name) && !isHistory(name)) return false;
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const file = await open(join(this.directory, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(nullIfMissing);
    if (!file) return false;
    try {
      if (isHistory(name)) return true;
      const { buffer } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
      // One that is kept for later use bears the name of a segment to come, and the content of an old one.
      return buffer.readBigUInt64LE(PLACE_AT) === BigInt(parseSegment(name).number) * BigInt(SEGMENT_BYTES);
    } finally {
      await file.close();
    }
  }

  read(name: string): AsyncIterable<Buffer> {
    return readSpooled(join(this.directory, name), name, this.uid);
  }
}

function nothingIfMissing(error: unknown): string[] {
  if (isSystemError(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return [];
  throw error;
}

function nullIfMissing(error: unknown): null {
  nothingIfMissing(error);
  return null;
}
