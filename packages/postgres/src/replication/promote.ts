import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';

const LOOK_MS = 5;

/** True for a standby, and for a server that still recovers. */
export async function isInRecovery(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ is: boolean }>('select pg_is_in_recovery() as is');
  return rows[0]!.is;
}

/**
 * Makes a standby a primary, which has all the log that the standby had received; returns when it accepts writes. Sessions on it are ended:
 * what they read must not hold that log up. One that is a primary already stays one. Only to be called when no other server
 * of the cluster can take a write any more. Throws after `seconds`.
 */
export async function promote(client: pg.Client, seconds: number): Promise<void> {
  if (!(await isInRecovery(client))) return;
  const end = Date.now() + seconds * 1000;
  await client.query('select pg_promote(false)');
  while (await isInRecovery(client)) {
    if (Date.now() > end) throw new Error(`The standby is not a primary after ${seconds} s.`);
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`,
    );
    await sleep(LOOK_MS);
  }
}

/** Makes the server write a commit to its disk, whether or not standbys have it. */
export async function proveWritable(client: pg.Client): Promise<void> {
  await client.query('set synchronous_commit = local');
  try {
    await client.query('select txid_current()');
  } finally {
    await client.query('reset synchronous_commit');
  }
}
