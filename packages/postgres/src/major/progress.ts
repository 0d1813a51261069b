import { withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';
import { slotOf, UPGRADE } from './names.js';

export interface SyncProgress {
  /** Tables whose rows are all there and follow, of all that are published. */
  ready: number;
  all: number;
  /** The database's size so far. */
  bytes: number;
}

/** How far the copy of a database has come, at the side that is fed. */
export async function syncProgress(next: ServerSpec, database: string): Promise<SyncProgress> {
  return withConnection(next, database, async (client) => {
    const { rows } = await client.query<Record<keyof SyncProgress, string>>(
      `select count(*) filter (where srsubstate = 'r') as ready, count(*) as all, pg_database_size(current_database()) as bytes
       from pg_subscription_rel join pg_subscription s on s.oid = srsubid where subname = $1`,
      [UPGRADE],
    );
    const { ready, all, bytes } = rows[0]!;
    return { ready: Number(ready), all: Number(all), bytes: Number(bytes) };
  });
}

/** Where the server's log ends: what is written before this call is at or before it. `0/16B3748`. */
export async function logEnd(spec: ServerSpec): Promise<string> {
  return withConnection(spec, 'postgres', async (client) => {
    // A commit of ours flushes what others left to be flushed later.
    await client.query('begin; set local synchronous_commit = local; select txid_current(); commit');
    const { rows } = await client.query<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn');
    return rows[0]!.lsn;
  });
}

/**
 * True once all of these databases have, on the disk of `to`, everything that `from` wrote up to that point of its log. Throws when
 * one of them is fed no longer, since the log was kept for too long.
 */
export async function caughtUp(
  from: ServerSpec,
  to: ServerSpec,
  databases: readonly string[],
  lsn: string,
): Promise<boolean> {
  // What is applied is confirmed once it is flushed, which a commit of ours does at once.
  await withConnection(to, 'postgres', (client) =>
    client.query(`begin; set local synchronous_commit = local; select txid_current(); commit`),
  );
  return withConnection(from, 'postgres', async (client) => {
    const { rows } = await client.query<{ name: string; lost: boolean; there: boolean }>(
      `select slot_name as name, coalesce(wal_status = 'lost', false) as lost, confirmed_flush_lsn >= $2::pg_lsn as there
       from pg_replication_slots where slot_name = any ($1)`,
      [databases.map(slotOf), lsn],
    );
    const missing = databases.find((database) => !rows.some(({ name, lost }) => name === slotOf(database) && !lost));
    if (missing !== undefined) throw new SyncLost(missing);
    return rows.every(({ there }) => there);
  });
}

/** The log that a copy would need is gone: it has to begin anew. */
export class SyncLost extends Error {
  constructor(database: string) {
    super(`The copy of the database "${database}" has fallen too far behind and has to begin anew.`);
  }
}
