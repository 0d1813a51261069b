import { caughtUp, connect, type ServerSpec } from '@borealis/postgres';

/** Whether that database is fed by another server's: `stopped` is where that has begun, and goes on only when it is asked to. */
export async function feedingOf(spec: ServerSpec, database: string): Promise<'none' | 'stopped' | 'fed'> {
  const client = await connect(spec, database);
  try {
    const { rows } = await client.query<{ enabled: boolean }>(
      `select subenabled as enabled from pg_subscription
       where subdbid = (select oid from pg_database where datname = current_database())`,
    );
    if (rows.length === 0) return 'none';
    return rows[0]!.enabled ? 'fed' : 'stopped';
  } finally {
    await client.end();
  }
}

/**
 * Throws `SyncLost` unless the log has been kept for these databases: another primary, and data that was made anew, have no such place in it, and
 * a new one would leave out what was written before.
 */
export async function requireKeptLog(from: ServerSpec, to: ServerSpec, databases: readonly string[]): Promise<void> {
  await caughtUp(from, to, databases, '0/0');
}
