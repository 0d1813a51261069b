import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { LOCK_NOT_AVAILABLE } from '../access/drop-roles.js';

const PATIENCE_MS = 60_000;

/**
 * Runs a statement that locks a table, again and again for a minute: others wait behind whoever waits for such a lock, so each wait is
 * short. Throws PostgreSQL's error (55P03) when the table stays locked.
 */
export async function withShortLocks(client: pg.Client, statement: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  await client.query(`set lock_timeout = '500ms'`);
  try {
    for (;;) {
      try {
        await client.query(statement);
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE || Date.now() > deadline) throw error;
      }
      await sleep(200);
    }
  } finally {
    await client.query(`set lock_timeout = '30s'`).catch(() => {});
  }
}
