import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import {
  type ChangeSearch,
  type ChangesFound,
  connect,
  copyServer,
  findChanges,
  finishLog,
  type LogSegment,
} from '../../src/index.js';
import { type TemporaryServer, temporaryServer } from '../../src/testing.js';

export const SEGMENT_BYTES = 16 * 1024 * 1024;
const PIECE_BYTES = 100_000;

/** A server whose log is kept, with a copy of its data to read the log from. */
export interface WrittenLog {
  server: TemporaryServer;
  base: string;
  client: pg.Client;
  /** What is found in the log up to now. */
  find(filter?: Partial<ChangeSearch>): Promise<ChangesFound>;
  /** The names of the segments since the copy. */
  segments(): Promise<string[]>;
  remove(): Promise<void>;
}

/** Runs `before` in the database `postgres`, and makes the copy. */
export async function writtenLog(
  major: string,
  before: string[],
  settings: Record<string, string> = {},
): Promise<WrittenLog> {
  const server = await temporaryServer(major, { settings: { wal_keep_size: '2GB', ...settings } });
  const client = await connect(server.spec);
  for (const sql of before) await client.query(sql);
  const base = `${server.spec.dataDirectory}.base`;
  const copy = await copyServer(server.spec, base, { to: null, signal: new AbortController().signal });
  const number = (name: string) => Number.parseInt(name.slice(8, 16), 16) * 256 + Number.parseInt(name.slice(16), 16);
  const nameOf = (at: number) =>
    ['00000001', Math.floor(at / 256), at % 256]
      .map((part) => (typeof part === 'string' ? part : part.toString(16).toUpperCase().padStart(8, '0')))
      .join('');
  const segments = async () => {
    const last = number(await finishLog(client));
    const first = number(copy.firstSegment);
    return Array.from({ length: last - first + 1 }, (_, at) => nameOf(first + at));
  };
  const contentOf = async (name: string) => readFile(join(server.spec.dataDirectory, 'pg_wal', name));
  return {
    ...{ server, base, client, segments },
    async find(filter = {}) {
      const names = await segments();
      const found = await findChanges({
        ...{ database: 'postgres', base, segmentBytes: SEGMENT_BYTES, table: null, since: 0, most: 1000 },
        kinds: ['delete', 'truncate', 'drop'],
        signal: new AbortController().signal,
        log: async function* (): AsyncGenerator<LogSegment> {
          for (const name of names) yield { number: number(name), content: pieces(await contentOf(name)) };
        },
        ...filter,
      });
      if (!found) throw new Error('the copy has no such database');
      return found;
    },
    async remove() {
      await client.end();
      await server.remove();
    },
  };
}

/** In pieces that are no multiple of a page. */
export async function* pieces(content: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += PIECE_BYTES) yield content.subarray(at, at + PIECE_BYTES);
}
