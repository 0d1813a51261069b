import { type Kysely, type Selectable, sql } from 'kysely';
import type { ControlDatabase, Transaction } from '../database.js';
import type { Database, RotationTable } from '../schema.js';

export type Rotation = Selectable<RotationTable>;

/** How often the app's credentials are renewed, and how long the former ones go on working; all in seconds. */
export interface RotationTimes {
  every: number;
  /** The former ones work at least this long: dynos are restarted once a day. */
  overlap: number;
  /** And at most this long, whoever still uses them. */
  longest: number;
}

const HOUR = 3600;
/** What holds when the operator has set nothing else. */
export const ROTATION_TIMES: RotationTimes = { every: 7 * 24 * HOUR, overlap: 25 * HOUR, longest: 72 * HOUR };

/** What a rotation row asks for now. */
export type RotationWork = 'make' | 'announce' | 'end' | null;

/** Starts the clock of an add-on that has just become available: somewhere within the first period, so that a fleet spreads. */
export async function startClock(db: Kysely<Database>, addonId: string, times: RotationTimes): Promise<void> {
  await db
    .insertInto('rotation')
    .values({ addon_id: addonId, due_at: sql<Date>`now() + random() * ${times.every} * interval '1 second'` })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function findRotation(db: Pick<ControlDatabase, 'sql'>, addonId: string): Promise<Rotation | null> {
  const row = await db.sql.selectFrom('rotation').selectAll().where('addon_id', '=', addonId).executeTakeFirst();
  return row ?? null;
}

/** What is to be done now, by the database's clock. `end` may still find the former credentials in use. */
export async function dueWork(db: ControlDatabase, addonId: string, times: RotationTimes): Promise<RotationWork> {
  const row = await db.sql
    .selectFrom('rotation')
    .select('state')
    .select(sql<boolean>`due_at <= now()`.as('isDue'))
    .select(sql<boolean>`announced_at + ${times.overlap} * interval '1 second' <= now()`.as('isOver'))
    .where('addon_id', '=', addonId)
    .executeTakeFirst();
  if (!row) return null;
  if (row.state === 'requested' || (row.state === 'waiting' && row.isDue)) return 'make';
  if (row.state === 'announcing') return row.isDue ? 'announce' : null;
  if ((row.state === 'ending' && row.isDue) || (row.state === 'overlap' && row.isOver)) return 'end';
  return null;
}

/** Seconds until the row asks for something by itself; null when it never does. An overlap that is still used lasts its longest. */
export async function secondsToWork(
  db: ControlDatabase,
  addonId: string,
  times: RotationTimes,
): Promise<number | null> {
  const end = (seconds: number) => sql`announced_at + ${seconds} * interval '1 second'`;
  const overlapEnd = sql`case when ${end(times.overlap)} > now() then ${end(times.overlap)} else ${end(times.longest)} end`;
  const at = sql`case state when 'overlap' then ${overlapEnd} else due_at end`;
  const row = await db.sql
    .selectFrom('rotation')
    .select(sql<number>`extract(epoch from ${at} - now())::float8`.as('seconds'))
    .where('addon_id', '=', addonId)
    .executeTakeFirst();
  return row ? Math.max(0, row.seconds) : null;
}

/** True when the former credentials have worked for as long as they may, whoever still uses them. */
export async function isOverdue(db: ControlDatabase, addonId: string, times: RotationTimes): Promise<boolean> {
  const row = await db.sql
    .selectFrom('rotation')
    .select(sql<boolean>`announced_at + ${times.longest} * interval '1 second' <= now()`.as('isOverdue'))
    .where('addon_id', '=', addonId)
    .executeTakeFirst();
  return row?.isOverdue ?? false;
}

/** Sets the row; `from`: only out of these states. True when it was. */
export async function setRotation(
  tx: Pick<Transaction, 'sql'>,
  addonId: string,
  values: Partial<Pick<Rotation, 'kind' | 'state'>> & { dueIn?: number; announced?: true },
  from?: readonly Rotation['state'][],
): Promise<boolean> {
  const { dueIn, announced, ...columns } = values;
  const result = await tx.sql
    .updateTable('rotation')
    .set({
      ...columns,
      ...(dueIn !== undefined && { due_at: sql<Date>`now() + ${dueIn} * interval '1 second'` }),
      ...(announced && { announced_at: sql<Date>`now()` }),
    })
    .where('addon_id', '=', addonId)
    .$if(from !== undefined, (query) => query.where('state', 'in', from!))
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}
