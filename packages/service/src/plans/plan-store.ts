import { type ExpressionBuilder, type Selectable, sql } from 'kysely';
import type { ControlDatabase } from '../database.js';
import type { Database, PlanChangeTable } from '../schema.js';

type Queries = Pick<ControlDatabase, 'sql'>;

export type PlanChange = Selectable<PlanChangeTable>;

/** The plan change that is under way; null when there is none. */
export async function findPlanChange(db: Queries, addonId: string): Promise<PlanChange | null> {
  const row = await db.sql.selectFrom('plan_change').selectAll().where('addon_id', '=', addonId).executeTakeFirst();
  return row ?? null;
}

/** Writes down which plan the add-on is to have, in the place of whatever was wanted before. The add-on's row is locked by the caller. */
export async function wantPlan(tx: Queries, addonId: string, plan: string): Promise<void> {
  const wanted = { plan, state: 'wanted' as const, asked_at: sql<Date>`now()`, due_at: sql<Date>`now()` };
  await tx.sql
    .insertInto('plan_change')
    .values({ addon_id: addonId, ...wanted })
    .onConflict((conflict) => conflict.column('addon_id').doUpdateSet(wanted))
    .execute();
}

/** Writes down which plan the add-on is to have once nothing is left of the change before. The add-on's row is locked by the caller. */
export async function wantNextPlan(tx: Queries, addonId: string, plan: string): Promise<void> {
  await tx.sql.updateTable('plan_change').set({ next_plan: plan }).where('addon_id', '=', addonId).execute();
}

/** Takes the change on, unless another plan was asked for meanwhile; true when it was. */
export async function setPlanChange(
  tx: Queries,
  from: PlanChange,
  { state = from.state, dueIn }: { state?: PlanChange['state']; dueIn: number },
): Promise<boolean> {
  const result = await tx.sql
    .updateTable('plan_change')
    .set({ state, due_at: sql<Date>`now() + ${dueIn} * interval '1 second'` })
    .where('addon_id', '=', from.addon_id)
    .where('plan', '=', from.plan)
    .where('state', '=', from.state)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Forgets the change, or begins the one that is to follow it, unless another plan was asked for meanwhile; true when this one is over. */
export async function endPlanChange(tx: Queries, change: PlanChange): Promise<boolean> {
  const { addon_id: id, plan, state } = change;
  const over = (e: ExpressionBuilder<Database, 'plan_change'>) => e.and({ addon_id: id, plan, state });
  const following = await tx.sql
    .updateTable('plan_change')
    .set((e) => ({
      ...{ state: 'wanted', asked_at: sql<Date>`now()`, due_at: sql<Date>`now()`, other_cluster_id: null },
      ...{ plan: e.ref('next_plan').$notNull(), next_plan: null },
    }))
    .where(over)
    .where('next_plan', 'is not', null)
    .executeTakeFirst();
  if (following.numUpdatedRows === 1n) return true;
  const result = await tx.sql.deleteFrom('plan_change').where(over).executeTakeFirst();
  return result.numDeletedRows === 1n;
}

/** Seconds until the change asks for something, 0 when it does now; null when there is none. */
export async function secondsToPlanWork(db: Queries, addonId: string): Promise<number | null> {
  const row = await db.sql
    .selectFrom('plan_change')
    .select(sql<number>`extract(epoch from due_at - now())::float8`.as('seconds'))
    .where('addon_id', '=', addonId)
    .executeTakeFirst();
  return row ? Math.max(0, row.seconds) : null;
}

/** What the change asks for now; null when there is none, or it is not yet time for its next look. */
export async function duePlanWork(db: Queries, addonId: string): Promise<'changePlan' | 'announcePlan' | null> {
  const row = await db.sql
    .selectFrom('plan_change')
    .select('state')
    .where('addon_id', '=', addonId)
    .where('due_at', '<=', sql<Date>`now()`)
    .executeTakeFirst();
  if (!row) return null;
  return row.state === 'announcing' ? 'announcePlan' : 'changePlan';
}

/** How long ago the change was asked for, in seconds. */
export async function planChangeAge(db: Queries, addonId: string): Promise<number> {
  const row = await db.sql
    .selectFrom('plan_change')
    .select(sql<number>`extract(epoch from now() - asked_at)::float8`.as('seconds'))
    .where('addon_id', '=', addonId)
    .executeTakeFirst();
  return row?.seconds ?? 0;
}
