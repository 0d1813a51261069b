import { caughtUp, connect, type ServerSpec } from '@borealis/postgres';

/** True when that database is fed by another server's. */
export async function isSubscribed(spec: ServerSpec, database: string): Promise<boolean> {
  const client = await connect(spec, database);
  try {
    const { rowCount } = await client.query(
      'select from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())',
    );
    return rowCount === 1;
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
