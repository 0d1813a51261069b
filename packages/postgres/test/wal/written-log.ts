import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import {
  type ChangeSearch,
  type ChangesFound,
  connect,
  copyServer,
  createDataDirectory,
  findChanges,
  finishLog,
  type LogSegment,
  type ServerSpec,
  startServer,
  writeConfiguration,
} from '../../src/index.js';
import { removeServer, temporarySpec } from '../../src/testing.js';

export const SEGMENT_BYTES = 16 * 1024 * 1024;
/** No multiple of a page. */
const PIECE_BYTES = 100_000;

export interface Segment {
  number: number;
  content: Buffer;
}

/** A server whose log is kept, with a copy of its data to read the log from. */
export interface WrittenLog {
  spec: ServerSpec;
  client: pg.Client;
  /** What is found in `segments`, or in all of the log up to now. */
  find(filter?: Partial<ChangeSearch>, segments?: readonly Segment[]): Promise<ChangesFound>;
  /** Those since the copy. */
  segments(): Promise<Segment[]>;
  remove(): Promise<void>;
}

/** A new server, and the copy that is made of it after `prepare`. It takes prepared transactions, as ours never do. */
export async function writtenLog(
  major: string,
  prepare: (client: pg.Client, spec: ServerSpec) => Promise<void>,
): Promise<WrittenLog> {
  const settings = { wal_keep_size: '2GB', track_commit_timestamp: 'on' };
  const spec = await temporarySpec(major, { settings });
  try {
    await createDataDirectory(spec);
    await writeConfiguration(spec);
    await appendFile(join(spec.dataDirectory, 'postgresql.auto.conf'), 'max_prepared_transactions = 5\n');
    await startServer(spec);
    const client = await connect(spec);
    await prepare(client, spec);
    const base = `${spec.dataDirectory}.base`;
    const copy = await copyServer(spec, base, { to: null, signal: new AbortController().signal });
    return follow(spec, client, base, copy.firstSegment);
  } catch (error) {
    await removeServer(spec);
    throw error;
  }
}

const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
const numberOf = (name: string) => Number.parseInt(name.slice(8, 16), 16) * 256 + Number.parseInt(name.slice(16), 16);
const nameOf = (at: number) => `${hex(1)}${hex(Math.floor(at / 256))}${hex(at % 256)}`;

function follow(spec: ServerSpec, client: pg.Client, base: string, firstSegment: string): WrittenLog {
  const segments = async () => {
    const [first, last] = [numberOf(firstSegment), numberOf(await finishLog(client))];
    const numbers = Array.from({ length: last - first + 1 }, (_, at) => first + at);
    const read = (number: number) => readFile(join(spec.dataDirectory, 'pg_wal', nameOf(number)));
    return Promise.all(numbers.map(async (number) => ({ number, content: await read(number) })));
  };
  return {
    ...{ spec, client, segments },
    async find(filter = {}, given?: readonly Segment[]) {
      const read = given ?? (await segments());
      const found = await findChanges({
        ...{ database: 'postgres', base, segmentBytes: SEGMENT_BYTES, table: null, since: 0, most: 1000 },
        kinds: ['delete', 'truncate', 'drop'],
        signal: new AbortController().signal,
        log: () => logOf(read),
        ...filter,
      });
      if (!found) throw new Error('the copy has no such database');
      return found;
    },
    async remove() {
      await client.end();
      await removeServer(spec);
    },
  };
}

async function* logOf(segments: readonly Segment[]): AsyncGenerator<LogSegment> {
  for (const { number, content } of segments) yield { number, content: pieces(content) };
}

async function* pieces(content: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += PIECE_BYTES) yield content.subarray(at, at + PIECE_BYTES);
}
