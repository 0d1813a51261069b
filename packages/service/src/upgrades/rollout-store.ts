import type { RefusedRelease } from '@borealis/engine';
import { type Selectable, type SqlBool, sql } from 'kysely';
import type { ControlDatabase } from '../database.js';
import type { MinorRolloutTable } from '../schema.js';
import { type MaintenancePolicy, type MaintenanceWindow, usualWindow } from './maintenance-window.js';

type Queries = Pick<ControlDatabase, 'sql'>;

export type MinorRollout = Selectable<MinorRolloutTable>;

/** The state of a cluster's rollout after it was noticed, or after an attempt. */
type Change = Partial<Pick<MinorRollout, 'state' | 'due_at' | 'tries' | 'error'>>;

/** A cluster that add-ons use, and the release that was last noticed for it. */
export interface UsedCluster {
  id: string;
  major: string;
  version: string | null;
}

/** Clusters that serve at least one add-on that is old enough and not on its way out. */
export async function usedClusters({ sql: queries }: Queries, { settle }: MaintenancePolicy): Promise<UsedCluster[]> {
  return queries
    .selectFrom('cluster')
    .leftJoin('minor_rollout as rollout', 'rollout.cluster_id', 'cluster.id')
    .select(['cluster.id', 'cluster.postgres_major as major', 'rollout.version'])
    .where(isUsed(settle))
    .orderBy('cluster.created_at')
    .execute();
}

const isUsed = (settle: number) => sql<SqlBool>`exists (
  select from addon where addon.cluster_id = cluster.id and destroy_requested_at is null
  and available_at < now() - ${settle} * interval '1 second')`;

/** Notes what was noticed for a cluster, in the place of an earlier release that is not just being put in place. */
export async function noteRelease(
  { sql: queries }: Queries,
  noticed: Pick<MinorRollout, 'cluster_id' | 'version' | 'state' | 'due_at'>,
): Promise<void> {
  const fresh = { request: sql<string>`gen_random_uuid()`, tries: 0, error: null, noticed_at: sql<Date>`now()` };
  const { cluster_id: _, ...changed } = noticed;
  await queries
    .insertInto('minor_rollout')
    .values(noticed)
    .onConflict((conflict) =>
      conflict
        .column('cluster_id')
        .doUpdateSet({ ...changed, ...fresh })
        .where('minor_rollout.state', '!=', 'running'),
    )
    .execute();
}

/** The attempt that was begun last and has not ended; null when there is none. */
export async function runningRollout({ sql: queries }: Queries): Promise<MinorRollout | null> {
  const row = await queries.selectFrom('minor_rollout').selectAll().where('state', '=', 'running').executeTakeFirst();
  return row ?? null;
}

/** A major upgrade goes on from what it has begun with. */
const isBetweenMajors = sql<SqlBool>`exists (
  select from major_upgrade where major_upgrade.cluster_id = cluster.id and major_upgrade.state in ('running', 'cancelling'))`;

/** What is due first, but for refused releases and clusters on their way to another major; null when nothing is. */
export async function nextRollout(
  { sql: queries }: Queries,
  { settle }: MaintenancePolicy,
  refused: readonly RefusedRelease[],
): Promise<(MinorRollout & { now: Date }) | null> {
  const versions = refused.map(({ version }) => version);
  const row = await queries
    .selectFrom('minor_rollout')
    .innerJoin('cluster', 'cluster.id', 'minor_rollout.cluster_id')
    .selectAll('minor_rollout')
    .select(sql<Date>`now()`.as('now'))
    .where('state', '=', 'planned')
    .where('due_at', '<=', sql<Date>`now()`)
    .where(isUsed(settle))
    .where(sql<SqlBool>`version <> all (${versions}::text[])`)
    .where((e) => e.not(isBetweenMajors))
    .orderBy('due_at')
    .orderBy('cluster_id')
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

/** Begins an attempt, which only one cluster can have at a time; a number of its own tells it from the one before. */
export async function beginRollout({ sql: queries }: Queries, clusterId: string): Promise<void> {
  await queries
    .updateTable('minor_rollout')
    .set({ state: 'running', request: sql`gen_random_uuid()`, error: null })
    .where('cluster_id', '=', clusterId)
    .where('state', '=', 'planned')
    .execute();
}

/** Changes a rollout unless another attempt was begun, or another release noticed, meanwhile. */
export async function changeRollout(
  { sql: queries }: Queries,
  { cluster_id, request }: Pick<MinorRollout, 'cluster_id' | 'request'>,
  change: Change,
): Promise<void> {
  await queries
    .updateTable('minor_rollout')
    .set(change)
    .where('cluster_id', '=', cluster_id)
    .where('request', '=', request)
    .execute();
}

/** What is planned for a cluster waits until then. */
export async function postponePlanned({ sql: queries }: Queries, clusterId: string, until: Date): Promise<void> {
  await queries
    .updateTable('minor_rollout')
    .set({ due_at: until })
    .where('cluster_id', '=', clusterId)
    .where('state', '=', 'planned')
    .execute();
}

/** The window of a cluster: its add-on's, where it has one of its own. */
export async function windowOf(
  { sql: queries }: Queries,
  clusterId: string,
  policy: MaintenancePolicy,
): Promise<MaintenanceWindow> {
  const row = await queries
    .selectFrom('cluster')
    .innerJoin('addon', 'addon.cluster_id', 'cluster.id')
    .leftJoin('maintenance_window as chosen', 'chosen.addon_id', 'addon.id')
    .select(['addon.id', 'cluster.tenancy', 'chosen.day', 'chosen.hour'])
    .where('cluster.id', '=', clusterId)
    .where('cluster.tenancy', '=', 'isolated')
    .executeTakeFirst();
  if (row?.hour != null) return { day: row.day, second: row.hour * 3600 };
  return usualWindow(row?.id ?? clusterId, policy);
}
