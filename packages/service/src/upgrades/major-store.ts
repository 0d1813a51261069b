import type { MajorUpgrade } from '@borealis/contract';
import { type Selectable, sql } from 'kysely';
import type { Addon } from '../addons/addon-store.js';
import type { ControlDatabase } from '../database.js';
import type { MajorUpgradeTable } from '../schema.js';

type Queries = Pick<ControlDatabase, 'sql'>;

/** A major upgrade of one cluster, or the way back from it: the one under way, or the last one. */
export type MajorUpgradeRow = Selectable<MajorUpgradeTable>;

export const UPGRADING = 'maintenance-postgresql-major-version-upgrade';

/** The one under way, or the last one; null when there was none. */
export async function findMajorUpgrade(db: Queries, clusterId: string): Promise<MajorUpgradeRow | null> {
  const row = await db.sql
    .selectFrom('major_upgrade')
    .selectAll()
    .where('cluster_id', '=', clusterId)
    .executeTakeFirst();
  return row ?? null;
}

type NewUpgrade = Omit<MajorUpgradeRow, 'answer' | 'asked_at' | 'due_at' | 'ended_at'>;

/** Writes one down in the place of the last one, or of one that was only announced, unless one is under way; true when it was. It is due after so many seconds. */
export async function insertMajorUpgrade(tx: Queries, upgrade: NewUpgrade, dueIn = 0): Promise<boolean> {
  const row = {
    ...{ ...upgrade, answer: null, ended_at: null, asked_at: sql<Date>`now()` },
    due_at: sql<Date>`now() + ${dueIn} * interval '1 second'`,
  };
  const result = await tx.sql
    .insertInto('major_upgrade')
    .values(row)
    .onConflict((conflict) =>
      conflict.column('cluster_id').doUpdateSet(row).where('major_upgrade.state', 'in', ['ended', 'announced']),
    )
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

/** Takes it on from the state in which it was seen; true unless it was in another one by then. */
export async function setMajorUpgrade(
  tx: Queries,
  from: Pick<MajorUpgradeRow, 'request' | 'state'>,
  { state = from.state, answer }: { state?: MajorUpgradeRow['state']; answer?: MajorUpgrade | null },
): Promise<boolean> {
  const result = await tx.sql
    .updateTable('major_upgrade')
    .set({
      state,
      ...(answer !== undefined && { answer: answer && JSON.stringify(answer) }),
    })
    .where('request', '=', from.request)
    .where('state', '=', from.state)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Forgets one that was only announced. */
export async function dropAnnounced(tx: Queries, { request }: Pick<MajorUpgradeRow, 'request'>): Promise<void> {
  await tx.sql.deleteFrom('major_upgrade').where('request', '=', request).where('state', '=', 'announced').execute();
}

/** What the engine says of its end is final, wherever it stands; true unless it had ended before. */
export async function closeMajorUpgrade(tx: Queries, request: string, answer: MajorUpgrade): Promise<boolean> {
  const result = await tx.sql
    .updateTable('major_upgrade')
    .set({ state: 'ended', answer: JSON.stringify(answer), ended_at: sql<Date>`now()` })
    .where('request', '=', request)
    .where('state', '!=', 'ended')
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Seconds since it was due to begin; negative until then. */
export async function majorUpgradeAge(db: Queries, request: string): Promise<number> {
  const row = await db.sql
    .selectFrom('major_upgrade')
    .select(sql<number>`extract(epoch from now() - due_at)::float8`.as('seconds'))
    .where('request', '=', request)
    .executeTakeFirst();
  return row?.seconds ?? 0;
}

/** Locks every add-on of the cluster until the transaction ends, always in one order. */
export async function lockAddonsOf(tx: Queries, clusterId: string): Promise<Addon[]> {
  return tx.sql.selectFrom('addon').selectAll().where('cluster_id', '=', clusterId).orderBy('id').forUpdate().execute();
}
