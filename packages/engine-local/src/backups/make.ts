import type { DatabaseBackup } from '@borealis/engine';
import { type Contents, connect, databaseSizes, dumpDatabase } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { BackupStore } from './backup-store.js';
import { boundsOf, toolsFor } from './means.js';
import { withRoom } from './room.js';

/** Makes a backup, or finds the one that is there. Nothing of it touches the disk in clear; on a failure nothing is left. */
export async function makeBackup(
  state: ClusterState,
  database: string,
  name: string,
  ending: AbortSignal,
): Promise<DatabaseBackup> {
  const store = new BackupStore(state, database);
  const found = await store.find(name);
  if (found) return found;
  const tools = await toolsFor(state);
  await store.prepare();
  const started = Date.now();
  // Compressed it is smaller than the database, unless nothing in it can be compressed.
  const databaseBytes = await sizeOf(state, database);
  return withRoom(store.directory, databaseBytes, boundsOf(state), ending, async (signal) => {
    try {
      const request = { server: serverSpec(state), database, tools, signal };
      const dump = await dumpDatabase(request, (content) => store.write(name, 'dump', content));
      const { contents, prelude } = dump;
      const more = await store.write(name, 'contents', once(JSON.stringify({ contents, prelude })));
      const backup = {
        ...{ name, takenAt: dump.takenAt, seconds: secondsSince(started), bytes: dump.taken + more },
        ...{ databaseBytes, ...countsOf(contents), proof: null },
      };
      await store.keep(backup);
      state.context.log.info(
        { cluster: state.journal.record.id, database, backup: name, bytes: backup.bytes },
        'a backup was made',
      );
      return backup;
    } catch (error) {
      await store.drop(name);
      throw error;
    }
  });
}

export async function sizeOf(state: ClusterState, database: string): Promise<number> {
  const client = await connect(serverSpec(state));
  return (await databaseSizes(client).finally(() => client.end()))[database] ?? 0;
}

async function* once(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

export const secondsSince = (started: number) => Math.round((Date.now() - started) / 100) / 10;

export function countsOf({ tables }: Contents): { tables: number; rows: number } {
  const all = Object.values(tables);
  return { tables: all.length, rows: all.reduce((sum, { rows }) => sum + rows, 0) };
}
