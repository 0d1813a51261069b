import type { PostgresMajor } from '@borealis/contract';
import type { Addon } from '../addons/addon-store.js';
import type { Cluster } from '../addons/cluster-store.js';
import type { ControlDatabase } from '../database.js';
import { lockAddonsOf, UPGRADING } from './major-store.js';

type Queries = Pick<ControlDatabase, 'sql'>;

/** Lets no more tenants into the cluster; whoever was just joining is among its add-ons when this returns. */
export async function closeCluster(tx: Queries, clusterId: string): Promise<Cluster | null> {
  const row = await tx.sql
    .updateTable('cluster')
    .set({ closed: true })
    .where('id', '=', clusterId)
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

/** The cluster has this major from now on. It takes tenants again unless another one of that major does. */
export async function openCluster(tx: Queries, clusterId: string, major: string): Promise<void> {
  await tx.sql
    .updateTable('cluster')
    .set((e) => ({
      postgres_major: major,
      closed: e
        .and([
          e('tenancy', '=', 'shared'),
          e.exists(
            e
              .selectFrom('cluster as other')
              .select('other.id')
              .where('other.id', '!=', clusterId)
              .where('other.tenancy', '=', 'shared')
              .where('other.postgres_major', '=', major)
              .where('other.closed', '=', false),
          ),
        ])
        .$castTo<boolean>(),
    }))
    .where('id', '=', clusterId)
    .execute();
}

/**
 * Puts every add-on of the cluster under maintenance; null, and nothing is changed, while one of them is being made, moved, removed or maintained.
 * The cluster is closed to others before.
 */
export async function beginMaintenance(tx: Queries, clusterId: string): Promise<Addon[] | null> {
  const addons = await lockAddonsOf(tx, clusterId);
  const isIdle = addons.every((addon) => addon.status === 'available' && !addon.destroy_requested_at && !addon.evicted);
  if (!isIdle || addons.length === 0 || (await isMoving(tx, clusterId))) return null;
  const ids = addons.map(({ id }) => id);
  await tx.sql.updateTable('addon').set({ status: UPGRADING }).where('id', 'in', ids).execute();
  return addons;
}

/** True while a plan change concerns the cluster, of an add-on in it or of one that comes or goes. */
async function isMoving(tx: Queries, clusterId: string): Promise<boolean> {
  const row = await tx.sql
    .selectFrom('plan_change')
    .innerJoin('addon', 'addon.id', 'plan_change.addon_id')
    .select('addon.id')
    .where((e) => e.or([e('addon.cluster_id', '=', clusterId), e('plan_change.other_cluster_id', '=', clusterId)]))
    .executeTakeFirst();
  return row !== undefined;
}

/** The add-ons are available again, with the major that the cluster has now; what else is being done to one of them keeps its own status. */
export async function endMaintenance(tx: Queries, clusterId: string, major: string): Promise<void> {
  await tx.sql.updateTable('addon').set({ postgres_major: major }).where('cluster_id', '=', clusterId).execute();
  await tx.sql
    .updateTable('addon')
    .set({ status: 'available' })
    .where('cluster_id', '=', clusterId)
    .where('status', '=', UPGRADING)
    .execute();
}

/** The versions among these that the major can be upgraded to, the oldest first. */
export function newerMajors(major: string, offered: readonly PostgresMajor[]): PostgresMajor[] {
  return offered.filter((other) => Number(other) > Number(major)).sort((one, other) => Number(one) - Number(other));
}
