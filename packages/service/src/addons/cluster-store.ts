import { findPlan, type Plan, type PostgresMajor, randomName } from '@borealis/contract';
import type { ClusterSpec } from '@borealis/engine';
import type { Selectable } from 'kysely';
import type { ControlDatabase, Transaction } from '../database.js';
import { clusterOrigin, type Origin } from '../restore/origin-store.js';
import type { ClusterTable } from '../schema.js';
import type { Addon } from './addon-store.js';

export type Cluster = Selectable<ClusterTable>;

/** What every shared cluster is made of; its tenants' plan says only what each of them may take. */
const SHARED = { nodes: 1, vcpu: 2, memoryGiB: 2, storageGiB: 100 } as const;

/** Chooses the cluster of a new add-on: one of its own, or the one that all tenants of the major share. It takes tenants until the transaction ends. */
export async function chooseCluster(tx: Pick<Transaction, 'sql'>, plan: Plan, major: PostgresMajor): Promise<string> {
  const cluster = { id: `c${randomName(9)}`, tenancy: plan.tenancy, postgres_major: major };
  const insert = tx.sql.insertInto('cluster').values(cluster);
  if (plan.tenancy === 'isolated') {
    await insert.execute();
    return cluster.id;
  }
  for (;;) {
    await insert.onConflict((conflict) => conflict.doNothing()).execute();
    // Locked, so that it is not closed to tenants between this and the new one's row; one that was just closed is none.
    const shared = tx.sql
      .selectFrom('cluster')
      .select('id')
      .where('tenancy', '=', 'shared')
      .where('closed', '=', false);
    const found = await shared.where('postgres_major', '=', major).forUpdate().executeTakeFirst();
    if (found) return found.id;
  }
}

/** The cluster of that id; null when there is none. */
export async function findCluster(db: Pick<ControlDatabase, 'sql'>, id: string): Promise<Cluster | null> {
  return (await db.sql.selectFrom('cluster').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

/** What the engine is asked for. */
export function clusterSpec(addon: Addon, origin: Origin | null): ClusterSpec {
  const { plan: name, postgres_major } = addon;
  const plan = findPlan(name);
  if (!plan) throw new Error(`BUG: an add-on has the plan "${name}", which does not exist`);
  const { tenancy, nodes, vcpu, memoryGiB, storageGiB } = plan;
  const size = tenancy === 'shared' ? SHARED : { nodes, vcpu, memoryGiB, storageGiB };
  return {
    major: postgres_major as PostgresMajor,
    tenancy,
    ...size,
    ...(origin && origin.dump === null && { origin: clusterOrigin(origin, addon) }),
  };
}
