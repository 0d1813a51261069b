import { EngineError } from '@borealis/engine';
import { go } from '@borealis/strands';
import { sql } from 'kysely';
import type { ClientBase } from 'pg';
import { lockAddon } from '../addons/addon-store.js';
import { type AddonWork, ownAddon } from '../addons/addon-work.js';
import { clusterSpec } from '../addons/cluster-store.js';
import { currentConfigVars } from '../addons/config-vars.js';
import { queriesOn } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import { isCrossing } from './crossing.js';
import { endMaintenance, giveUpChange } from './ending.js';
import { bringBackSize, isSameSize } from './own-size.js';
import { endPlanChange, findPlanChange, type PlanChange, planChangeAge, setPlanChange } from './plan-store.js';

/** After an engine that does not answer. Meanwhile the add-on is served. */
const ENGINE_AGAIN_SECONDS = 5;
/** After config vars that could not be set: until they are, an app whose database has another address does not find it. */
const LEAST_ANNOUNCE_AGAIN_SECONDS = 1;

/** Asks the engine for the cluster of the wanted plan, then looks how far it is; every time between the two the add-on is served. */
export async function changePlan(work: AddonWork, id: string) {
  const addon = await ownAddon(work, id);
  const change = await findPlanChange(work.db, id);
  if (!change || change.state === 'announcing') return go('serve');
  if (change.other_cluster_id !== null || isCrossing(addon.plan, change.plan)) return go('crossPlan');
  const again = (dueIn: number, state = change.state) =>
    go('serve', {}, async (client) => void (await setPlanChange({ sql: queriesOn(client) }, change, { state, dueIn })));
  const wanted = clusterSpec({ ...addon, plan: change.plan }, null);
  try {
    if (change.state === 'wanted') {
      await work.engine.changeCluster(addon.cluster_id, wanted);
      return again(0, 'changing');
    }
    const cluster = await work.engine.cluster(addon.cluster_id);
    if (!cluster?.specInForce) return again(await pause(work, id));
    if (!isSameSize(cluster.spec, wanted)) {
      // The engine has gone back to what was in force, and that may be a plan that was asked for in between.
      if (!isSameSize(cluster.spec, clusterSpec(addon, null))) await bringBackSize(work.engine, addon);
      return giveUpChange(work, change, cluster.changeFailure ?? 'It was taken back.');
    }
    return go('announcePlan', {}, (client) => complete(client, change));
  } catch (error) {
    if (error instanceof EngineError && error.code === 'unsupported') return giveUpChange(work, change, error.message);
    work.log.warn({ addon: id, err: error }, 'a plan change cannot go on now; the add-on is served meanwhile');
    return again(ENGINE_AGAIN_SECONDS);
  }
}

/** Seconds to the next look: a restart takes a second, a new node as long as there is data. */
async function pause(work: AddonWork, id: string): Promise<number> {
  return Math.min(Math.max((await planChangeAge(work.db, id)) / 10, 0.2), 10);
}

/** A row write: from here on the add-on has the plan, with its limits. */
async function complete(client: ClientBase, change: PlanChange): Promise<void> {
  const db = { sql: queriesOn(client) };
  const addon = await lockAddon(db, change.addon_id);
  if (!addon || !(await setPlanChange(db, change, { state: 'announcing', dueIn: 0 }))) return;
  await db.sql.updateTable('addon').set({ plan: change.plan }).where('id', '=', addon.id).execute();
  await endMaintenance(db, addon.id);
  // What the limit of the former plan led to may be over now.
  await db.sql.updateTable('storage').set({ look_at: sql<Date>`now()` }).where('addon_id', '=', addon.id).execute();
  const attributes = { plan: change.plan };
  await recordEvent(db.sql, { addonId: addon.id, type: 'plan-change-completed', attributes });
}

/** Brings the app's config vars up to date; one that is as it was makes no release. Whatever fails is tried again soon. */
export async function announcePlan(work: AddonWork, id: string) {
  const addon = await ownAddon(work, id);
  const change = await findPlanChange(work.db, id);
  if (change?.state !== 'announcing') return go('serve');
  const keep = (write: (db: { sql: ReturnType<typeof queriesOn> }) => Promise<unknown>) =>
    go('serve', {}, async (client) => void (await write({ sql: queriesOn(client) })));
  try {
    await work.publisher.publishLatest(addon.cluster_id);
    const vars = await currentConfigVars(work, addon);
    await work.grants.call(id, (token) => work.platform.patchConfig(token, id, vars));
    if (change.other_cluster_id !== null)
      return keep((db) => setPlanChange(db, change, { state: 'leaving', dueIn: 0 }));
    return keep((db) => endPlanChange(db, change));
  } catch (error) {
    work.log.warn({ addon: id, err: error }, 'the config vars of a new plan could not be set yet');
    const dueIn = Math.max(await pause(work, id), LEAST_ANNOUNCE_AGAIN_SECONDS);
    return keep((db) => setPlanChange(db, change, { dueIn }));
  }
}
