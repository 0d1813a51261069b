import { setTimeout as sleep } from 'node:timers/promises';
import { withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';

/** What a standby must have at least as much of as its primary had when it wrote the log that the standby reads. */
const LIMITS = [
  'max_connections',
  'max_worker_processes',
  'max_wal_senders',
  'max_prepared_transactions',
  'max_locks_per_transaction',
];
const LOOK_MS = 50;
const PATIENCE_MS = 5000;

/**
 * Whether a running standby starts again by its files, as far as its primary is concerned: what it may have less of by them the primary has no
 * more of in any part of the log that the standby is to read again. The primary has to run by such settings already; false when
 * the standby has not read for five seconds what the primary has written by now.
 */
export async function startsAgain(standby: ServerSpec, primary: ServerSpec): Promise<boolean> {
  return withConnection(standby, 'postgres', async (client) => {
    const { rows } = await client.query<{ name: string; setting: string }>(
      'select name, setting from pg_settings where name = any ($1)',
      [LIMITS],
    );
    const isLess = rows.some(({ name, setting }) => Number(standby.settings[name] ?? setting) < Number(setting));
    if (!isLess) return true;
    const end = await endOfLog(primary);
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const { rows: replayed } = await client.query<{ is: boolean }>(
        'select coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false) as is',
        [end],
      );
      if (replayed[0]!.is) return true;
      if (Date.now() > deadline) return false;
      await sleep(LOOK_MS);
    }
  });
}

async function endOfLog(primary: ServerSpec): Promise<string> {
  return withConnection(primary, 'postgres', async (client) => {
    const { rows } = await client.query<{ at: string }>('select pg_current_wal_flush_lsn()::text as at');
    return rows[0]!.at;
  });
}
