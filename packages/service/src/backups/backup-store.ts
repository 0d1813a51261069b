import type { DatabaseBackup } from '@borealis/engine';
import { type Selectable, sql } from 'kysely';
import type { ControlDatabase, Transaction } from '../database.js';
import type { BackupTable } from '../schema.js';

export type Backup = Selectable<BackupTable>;

/** A backup that something is to be done with now, and where its database is. */
export interface DueBackup extends Backup {
  addon_name: string;
  cluster_id: string;
  database_name: string;
}

type Queries = Pick<ControlDatabase, 'sql'> | Pick<Transaction, 'sql'>;

/** Wants a backup; one of that name is left as it is. */
export async function wantBackup(db: Queries, addonId: string, name: string, reason: Backup['reason']): Promise<void> {
  await db.sql
    .insertInto('backup')
    .values({ addon_id: addonId, name, reason })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Earlier nights that never got theirs are given up for a later one. */
export async function forgetMissed(db: Queries, addonId: string, name: string): Promise<void> {
  await db.sql
    .deleteFrom('backup')
    .where('addon_id', '=', addonId)
    .where('reason', '=', 'night')
    .where('state', '=', 'wanted')
    .where('name', '<', name)
    .execute();
}

/** What has waited longest; null when nothing is due. Those that a person waits for come first. */
export async function nextDue(db: Queries): Promise<DueBackup | null> {
  const row = await db.sql
    .selectFrom('backup')
    .innerJoin('addon', 'addon.id', 'backup.addon_id')
    .selectAll('backup')
    .select(['addon.name as addon_name', 'addon.cluster_id', 'addon.database_name'])
    .where('addon.available_at', 'is not', null)
    .where('addon.destroy_requested_at', 'is', null)
    .where('backup.due_at', '<=', sql<Date>`now()`)
    .orderBy(sql`backup.reason = 'request' and backup.state in ('wanted', 'made')`, 'desc')
    .orderBy('backup.due_at')
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

const inSeconds = (seconds: number) => sql<Date>`now() + ${seconds} * interval '1 second'`;

/** Writes down what the engine made or found, and when to prove it next: at once, later, or never again what is bad. */
export async function keepReceipt(
  db: Queries,
  addonId: string,
  receipt: DatabaseBackup,
  proveEvery: number,
): Promise<void> {
  const state = !receipt.proof ? 'made' : receipt.proof.failure === null ? 'proven' : 'failed';
  const dueAt = { wanted: inSeconds(0), made: inSeconds(0), proven: inSeconds(proveEvery), failed: null }[state];
  const values = { state, receipt: JSON.stringify(receipt), due_at: dueAt, tries: 0, error: null } as const;
  await db.sql
    .insertInto('backup')
    .values({ addon_id: addonId, name: receipt.name, reason: 'night', ...values })
    .onConflict((conflict) => conflict.columns(['addon_id', 'name']).doUpdateSet(values))
    .execute();
}

/** Tries it again later, with or without counting this attempt; returns how many have failed. */
export async function tryAgain(
  db: Queries,
  { addon_id, name }: Backup,
  again: { error: string; tries: number; pause: number },
): Promise<void> {
  await db.sql
    .updateTable('backup')
    .set({ error: again.error, tries: again.tries, due_at: inSeconds(again.pause) })
    .where('addon_id', '=', addon_id)
    .where('name', '=', name)
    .execute();
}

/** All of an add-on, newest first. */
export async function listBackups(db: Queries, addonId: string): Promise<Backup[]> {
  return db.sql
    .selectFrom('backup')
    .selectAll()
    .where('addon_id', '=', addonId)
    .orderBy('created_at', 'desc')
    .orderBy('name', 'desc')
    .execute();
}
