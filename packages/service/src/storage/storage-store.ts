import { type Selectable, sql } from 'kysely';
import { bumpRevision } from '../access/revision.js';
import type { ControlDatabase, Transaction } from '../database.js';
import type { StorageTable } from '../schema.js';

export type Storage = Selectable<StorageTable> & { isOverdue: boolean; isWindowOpen: boolean; isWindowOver: boolean };

/** An add-on's row, with what its times mean by the database's clock; null when the add-on is gone. */
export async function findStorage(db: Pick<ControlDatabase, 'sql'>, addonId: string): Promise<Storage | null> {
  const row = await db.sql
    .selectFrom('storage')
    .selectAll()
    .select([
      sql<boolean>`coalesce(deadline <= now(), false)`.as('isOverdue'),
      sql<boolean>`coalesce(window_until > now(), false)`.as('isWindowOpen'),
      sql<boolean>`coalesce(window_until <= now(), false)`.as('isWindowOver'),
    ])
    .where('addon_id', '=', addonId)
    .executeTakeFirst();
  return row ?? null;
}

/** The older of the two measurements is this old at least, so that nobody hides his growth by being measured often. */
const BASELINE_MINUTES = 10;

/** Writes a measurement down. */
export async function keepUsage(tx: Pick<Transaction, 'sql'>, addonId: string, bytes: number): Promise<void> {
  const isOld = sql`before_at < now() - ${BASELINE_MINUTES} * interval '1 minute'`;
  await tx.sql
    .updateTable('storage')
    .set({
      usage_bytes: String(bytes),
      before_bytes: sql<string>`case when ${isOld} then usage_bytes else before_bytes end`,
      before_at: sql<Date>`case when ${isOld} then now() else before_at end`,
    })
    .where('addon_id', '=', addonId)
    .execute();
}

const ahead = (column: string) => sql`case when ${sql.ref(column)} > now() then ${sql.ref(column)} end`;

/** Says when to measure next: after so many seconds, or when a deadline or a window ends before. */
export async function lookAgain(tx: Pick<Transaction, 'sql'>, addonId: string, seconds: number): Promise<void> {
  await tx.sql
    .updateTable('storage')
    .set({
      look_at: sql<Date>`least(now() + ${seconds} * interval '1 second', ${ahead('deadline')}, ${ahead('window_until')})`,
    })
    .where('addon_id', '=', addonId)
    .execute();
}

/**
 * Asks the engine, by the access document, for read-only or for full access; returns the revision that does it. The add-on's row is
 * locked by the caller, who wakes its strand before; this comes last.
 */
export async function changeWriteAccess(
  tx: Pick<Transaction, 'sql'>,
  addonId: string,
  change: 'revoke' | 'restore',
  why: string,
): Promise<number> {
  // Whatever else is being done to the add-on keeps its own status.
  await tx.sql
    .updateTable('addon')
    .set({ status: `maintenance-${change}-db-write-access` })
    .where('id', '=', addonId)
    .where('status', 'in', IDLE)
    .execute();
  await tx.sql
    .updateTable('addon')
    .set({ write_revoked: change === 'revoke' })
    .where('id', '=', addonId)
    .execute();
  const revision = await bumpRevision(tx.sql, addonId);
  await tx.sql
    .updateTable('storage')
    .set({ change, change_reason: why, change_revision: revision })
    .where('addon_id', '=', addonId)
    .execute();
  return revision;
}

/** Statuses that a change of write access replaces. */
export const IDLE = ['available', 'maintenance-revoke-db-write-access', 'maintenance-restore-db-write-access'] as const;
