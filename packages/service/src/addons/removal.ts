import { done, go, nap } from '@borealis/strands';
import type { ClientBase } from 'pg';
import { personalName } from '../access/access-document.js';
import { bumpClusters, bumpRevision } from '../access/revision.js';
import { queriesOn } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import { leaveOtherCluster } from '../plans/leaving.js';
import { findPlanChange, setPlanChange } from '../plans/plan-store.js';
import { keepSourceName } from '../restore/origin-store.js';
import { type Addon, lockAddon } from './addon-store.js';
import { type AddonWork, ownAddon } from './addon-work.js';
import { findCluster } from './cluster-store.js';

const AFTER_FAILURE_SECONDS = 10;

/** Never gives up, whatever the engine says: a half destroyed cluster is nothing to leave behind. */
export async function destroyCluster(work: AddonWork, id: string) {
  const isGone = await destroyedDatabase(work, await ownAddon(work, id));
  return isGone ? go('forget') : nap(AFTER_FAILURE_SECONDS);
}

/** True when nothing is left of the add-on's cluster, or of its database in a shared one; a failure is logged and false. */
export async function destroyedDatabase(work: AddonWork, addon: Addon): Promise<boolean> {
  try {
    await leaveHalfway(work, addon);
    const cluster = await findCluster(work.db, addon.cluster_id);
    if (cluster?.tenancy === 'shared') await leaveCluster(work, addon);
    else await work.engine.destroyCluster(addon.cluster_id);
    return true;
  } catch (error) {
    work.log.error({ addon: addon.id, err: error }, 'a database could not be destroyed; it is tried again');
    return false;
  }
}

/** A change of the plan may have it in two clusters. */
async function leaveHalfway(work: AddonWork, addon: Addon): Promise<void> {
  const change = await findPlanChange(work.db, addon.id);
  if (!change?.other_cluster_id) return;
  if (change.state !== 'leaving')
    await work.db.transaction(async (tx) => {
      await lockAddon(tx, addon.id);
      if (await setPlanChange(tx, change, { state: 'leaving', dueIn: 0 }))
        await bumpClusters(tx.sql, [change.other_cluster_id!]);
    });
  await leaveOtherCluster(work, addon, change.other_cluster_id);
}

/** First nobody can get in any more, then the database goes with all that is in it. */
async function leaveCluster(work: AddonWork, addon: Addon): Promise<void> {
  const wasListed = await work.db.transaction(async (tx) => {
    await lockAddon(tx, addon.id);
    await tx.sql.updateTable('addon').set({ evicted: true }).where('id', '=', addon.id).execute();
    const key = tx.sql.selectFrom('app_ssh_key').select('username').where('addon_id', '=', addon.id);
    if (!(await key.executeTakeFirst())) return false;
    await bumpRevision(tx.sql, addon.id);
    return true;
  });
  if (!wasListed) return;
  await work.publisher.publishLatest(addon.cluster_id);
  await work.engine.dropDatabase(addon.cluster_id, addon.database_name);
}

export async function forget(_work: AddonWork, id: string) {
  return done((db) => deleteRows(db, id));
}

/** Everything goes with the add-on's row but the audit trail; lines that its log never got are given up. */
async function deleteRows(db: ClientBase, id: string): Promise<void> {
  const sql = queriesOn(db);
  await recordEvent(sql, { addonId: id, type: 'addon-destroyed', dedupKey: `${id}/destroyed` });
  const persons = await sql.selectFrom('personal_user').select('suffix').where('addon_id', '=', id).execute();
  const usernames = persons.map(({ suffix }) => personalName(suffix, 'ssh'));
  if (usernames.length > 0) await sql.deleteFrom('open_tunnel').where('username', 'in', usernames).execute();
  await keepSourceName(sql, id);
  const change = await findPlanChange({ sql }, id);
  const addon = await sql.deleteFrom('addon').where('id', '=', id).returning('cluster_id').executeTakeFirst();
  const clusters = [addon?.cluster_id, change?.other_cluster_id].filter((one) => typeof one === 'string');
  if (clusters.length > 0)
    await sql.deleteFrom('cluster').where('id', 'in', clusters).where('tenancy', '=', 'isolated').execute();
  await sql
    .updateTable('event')
    .set({ delivery: 'dropped' })
    .where('addon_id', '=', id)
    .where('delivery', '=', 'pending')
    .execute();
}
