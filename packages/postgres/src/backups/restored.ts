import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { connect } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';
import { type Contents, readContents, takeSnapshot } from './contents.js';

/** What a restored database holds. */
export async function restoredContents(spec: ServerSpec, database: string, signal: AbortSignal): Promise<Contents> {
  const client = await connect(spec, database);
  const abort = () => void client.end().catch(() => {});
  signal.addEventListener('abort', abort);
  try {
    signal.throwIfAborted();
    return await readContents(client, await takeSnapshot(client));
  } finally {
    signal.removeEventListener('abort', abort);
    await client.end().catch(() => {});
  }
}

/** What a restore may find: a setting of a newer version, a schema that was made before, and that the server lets nobody in yet. */
const EXPECTED = ['42704', '42P06', '57P03'];

/** The SQLSTATEs of errors in a scratch server's log that a restore does not bring about by itself; the log's own words may quote rows. */
export async function troublesInLog(path: string): Promise<string[]> {
  const found = new Set<string>();
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const state = /^([0-9A-Z]{5}) (?:ERROR|FATAL|PANIC): /.exec(line)?.[1];
    if (state && !EXPECTED.includes(state)) found.add(state);
    if (/terminated by signal|was terminated by exception/.test(line)) found.add('a process of the server crashed');
  }
  return [...found];
}
