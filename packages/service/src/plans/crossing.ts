import { findPlan, type PostgresMajor } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import { go, type Outcome } from '@borealis/strands';
import { sql } from 'kysely';
import type { ClientBase } from 'pg';
import { bumpClusters, bumpRevision } from '../access/revision.js';
import { type Addon, lockAddon } from '../addons/addon-store.js';
import { type AddonWork, ownAddon } from '../addons/addon-work.js';
import { chooseCluster, clusterSpec, findCluster } from '../addons/cluster-store.js';
import { queriesOn } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import { endMaintenance, giveUpChange } from './ending.js';
import { leaveOtherCluster } from './leaving.js';
import { bringBackSize } from './own-size.js';
import { endPlanChange, findPlanChange, type PlanChange, planChangeAge, setPlanChange } from './plan-store.js';

const AGAIN_SECONDS = 5;
const LOOK_SECONDS = 0.5;
/** After so long what fails is given up: meanwhile the database may only be readable. */
const PATIENCE_SECONDS = 1800;

/** True when the plan needs a cluster of another kind than the add-on has. */
export function isCrossing(from: string, to: string): boolean {
  return findPlan(from)!.tenancy !== findPlan(to)!.tenancy;
}

/**
 * Brings an add-on into a cluster of the other kind, a step at a time: that cluster is made, the database can only be read from then on,
 * a backup of it is restored over there, and then it is served from there, with the same names, passwords and keys.
 */
export async function crossPlan(work: AddonWork, id: string): Promise<Onward> {
  const addon = await ownAddon(work, id);
  const change = await findPlanChange(work.db, id);
  const step = change && STEPS[change.state];
  if (!change || !step) return go('serve');
  try {
    return await step(work, addon, change);
  } catch (error) {
    const isFinal = error instanceof EngineError && ['unsupported', 'not_found', 'conflict'].includes(error.code);
    const isLeaving = change.state === 'leaving';
    if (!isLeaving && (isFinal || (await planChangeAge(work.db, id)) > PATIENCE_SECONDS))
      return giveUpChange(work, change, (error as Error).message);
    work.log.warn({ addon: id, err: error }, 'a plan change cannot go on now; the add-on is served meanwhile');
    return next((client) => setPlanChange({ sql: queriesOn(client) }, change, { dueIn: AGAIN_SECONDS }));
  }
}

const next = (write: (client: ClientBase) => Promise<unknown>): Onward =>
  go('serve', {}, async (client) => void (await write(client)));

type Onward = Outcome<'serve' | 'announcePlan', Record<never, never>>;
type Step = (work: AddonWork, addon: Addon, change: PlanChange) => Promise<Onward>;

const STEPS: Partial<Record<PlanChange['state'], Step>> = {
  wanted: begin,
  making: make,
  copying: copy,
  leaving: leave,
};

/** A plan in place that this one took the place of may have begun: should the copy fail, the add-on has the size that it pays for. */
async function begin({ engine }: AddonWork, addon: Addon, change: PlanChange): Promise<Onward> {
  if (findPlan(addon.plan)!.tenancy === 'isolated') await bringBackSize(engine, addon);
  return next((client) => choose(client, addon, change));
}

/** The document of the other cluster lists the add-on from here on, and lets nobody in. */
async function choose(client: ClientBase, addon: Addon, change: PlanChange): Promise<void> {
  const db = { sql: queriesOn(client) };
  if (!(await lockAddon(db, addon.id)) || !(await setPlanChange(db, change, { state: 'making', dueIn: 0 }))) return;
  const other = await chooseCluster(db, findPlan(change.plan)!, addon.postgres_major as PostgresMajor);
  await db.sql.updateTable('plan_change').set({ other_cluster_id: other }).where('addon_id', '=', addon.id).execute();
  await bumpClusters(db.sql, [other]);
}

async function make({ engine, publisher }: AddonWork, addon: Addon, change: PlanChange): Promise<Onward> {
  const other = change.other_cluster_id!;
  const spec = clusterSpec({ ...addon, plan: change.plan }, null);
  const cluster = (await engine.cluster(other)) ?? (await engine.createCluster(other, spec));
  if (cluster.phase === 'failed') throw new Error(cluster.detail);
  if (cluster.phase !== 'ready' || !cluster.gateway)
    return next((client) => setPlanChange({ sql: queriesOn(client) }, change, { dueIn: LOOK_SECONDS }));
  await publisher.publishLatest(other);
  return next(async (client) => {
    const db = { sql: queriesOn(client) };
    await lockAddon(db, addon.id);
    if (await setPlanChange(db, change, { state: 'copying', dueIn: 0 })) await bumpRevision(db.sql, addon.id);
  });
}

/** Nothing can be written from the moment on that the engine runs by the document, so the backup has everything. */
async function copy({ engine, publisher }: AddonWork, addon: Addon, change: PlanChange): Promise<Onward> {
  const { cluster_id: clusterId, database_name: database } = addon;
  await publisher.publishLatest(clusterId);
  const backup = `plan-${change.asked_at.getTime()}`;
  await engine.backUpDatabase(clusterId, database, backup);
  const isThere = await engine.copyDatabase(change.other_cluster_id!, database, { clusterId, backup });
  if (isThere) return go('announcePlan', {}, (client) => moveOver(client, addon, change));
  return next((client) => setPlanChange({ sql: queriesOn(client) }, change, { dueIn: LOOK_SECONDS }));
}

/** A row write: from here on the add-on is in the other cluster, has the plan, and everybody is let in over there alone. */
async function moveOver(client: ClientBase, { id }: Addon, change: PlanChange): Promise<void> {
  const db = { sql: queriesOn(client) };
  const addon = await lockAddon(db, id);
  if (!addon || !(await setPlanChange(db, change, { state: 'announcing', dueIn: 0 }))) return;
  const former = addon.cluster_id;
  await db.sql.updateTable('plan_change').set({ other_cluster_id: former }).where('addon_id', '=', id).execute();
  await db.sql
    .updateTable('addon')
    .set({ plan: change.plan, cluster_id: change.other_cluster_id! })
    .where('id', '=', id)
    .execute();
  // They belong to the cluster that is left, and go with it.
  await db.sql.deleteFrom('backup').where('addon_id', '=', id).execute();
  await endMaintenance(db, id);
  await recordEvent(db.sql, {
    ...{ addonId: id, type: 'plan-change-completed' },
    attributes: { plan: change.plan, address: 'changed' },
  });
  await bumpClusters(db.sql, [former, change.other_cluster_id!]);
  await db.sql
    .updateTable('storage')
    .set((e) => ({
      look_at: sql<Date>`now()`,
      change_revision: e.selectFrom('cluster').select('access_revision').where('id', '=', change.other_cluster_id!),
    }))
    .where('addon_id', '=', id)
    .execute();
}

async function leave(work: AddonWork, addon: Addon, change: PlanChange): Promise<Onward> {
  await leaveOtherCluster(work, addon, change.other_cluster_id!);
  const cluster = await findCluster(work.db, change.other_cluster_id!);
  return next(async (client) => {
    const db = { sql: queriesOn(client) };
    await lockAddon(db, addon.id);
    if (!(await endPlanChange(db, change)) || cluster?.tenancy !== 'isolated') return;
    await db.sql.deleteFrom('cluster').where('id', '=', cluster.id).execute();
  });
}
