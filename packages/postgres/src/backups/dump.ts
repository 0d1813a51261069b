import type { ClientTools } from '../client-tools/tools.js';
import { connect } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';
import { startClient } from './client-program.js';
import { type Contents, readContents, type Snapshot, takeSnapshot } from './contents.js';
import { type Prelude, readPrelude } from './prelude.js';
import { atRest, readSequences } from './sequences.js';

export interface DumpRequest {
  server: ServerSpec;
  database: string;
  tools: ClientTools;
  signal: AbortSignal;
}

export interface Dump<T> {
  /** Of the moment that it shows: ISO 8601 in UTC, to the microsecond. */
  takenAt: string;
  contents: Contents;
  prelude: Prelude;
  /** What `take` made of it. */
  taken: T;
}

/**
 * Dumps one moment of a database in pg_dump's custom format, uncompressed, as a stream that `take` has to read to its end, and reads what
 * the database held at that very moment. The stream fails when `pg_dump` does. Takes no lock but one against changes of tables.
 */
export async function dumpDatabase<T>(
  request: DumpRequest,
  take: (content: AsyncIterable<Buffer>) => Promise<T>,
): Promise<Dump<T>> {
  const client = await connect(request.server, request.database);
  const failed = new AbortController();
  const signal = AbortSignal.any([request.signal, failed.signal]);
  // Ends a query that is under way, too.
  const abort = () => void client.end().catch(() => {});
  signal.addEventListener('abort', abort);
  try {
    signal.throwIfAborted();
    const snapshot = await takeSnapshot(client);
    const prelude = await readPrelude(client);
    const work = [take(dumpStream({ ...request, signal }, snapshot)), readContents(client, snapshot)] as const;
    // Neither is left running when the other has failed.
    for (const part of work) part.catch((error: unknown) => failed.abort(error));
    const [taken, contents] = await Promise.allSettled(work);
    if (failed.signal.aborted && !request.signal.aborted) throw failed.signal.reason;
    request.signal.throwIfAborted();
    if (taken.status !== 'fulfilled' || contents.status !== 'fulfilled') throw new Error('BUG: no reason was kept');
    // Only now is it known which of them have not moved while they were dumped.
    const sequences = atRest(snapshot.sequences, await readSequences(client, [...snapshot.sequences.keys()]));
    return { takenAt: snapshot.takenAt, contents: { ...contents.value, sequences }, prelude, taken: taken.value };
  } finally {
    signal.removeEventListener('abort', abort);
    await client.end().catch(() => {});
  }
}

async function* dumpStream(request: DumpRequest, snapshot: Snapshot): AsyncGenerator<Buffer> {
  const { server, database, tools, signal } = request;
  const args = ['-Fc', '--compress=0', `--snapshot=${snapshot.id}`, '--lock-wait-timeout=30s'];
  const call = { tools, program: 'pg_dump', server, role: server.superuser, database, args, signal } as const;
  const { child, ended } = startClient(call, ['ignore', 'pipe', 'pipe']);
  try {
    for await (const chunk of child.stdout!) yield chunk as Buffer;
    const { status, said } = await ended;
    signal.throwIfAborted();
    if (status !== 0) throw new Error(`pg_dump failed: ${firstLine(said) || `status ${status}`}.`);
  } finally {
    child.kill();
    await ended;
  }
}

function firstLine(said: string): string {
  const lines = said.trim().split('\n');
  return lines.find((line) => /error:/.test(line)) ?? lines[0] ?? '';
}
