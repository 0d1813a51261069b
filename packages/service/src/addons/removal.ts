import { done, go, nap } from '@borealis/strands';
import type { ClientBase } from 'pg';
import { queriesOn } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import type { Addon } from './addon-store.js';
import { type AddonWork, ownAddon } from './addon-work.js';

const AFTER_FAILURE_SECONDS = 10;

/** Never gives up, whatever the engine says: a half destroyed cluster is nothing to leave behind. */
export async function destroyCluster(work: AddonWork, id: string) {
  const isGone = await destroyedCluster(work, await ownAddon(work, id));
  return isGone ? go('forget') : nap(AFTER_FAILURE_SECONDS);
}

/** True when nothing is left of the cluster; a failure is logged and false. */
export async function destroyedCluster(work: AddonWork, addon: Addon): Promise<boolean> {
  try {
    await work.engine.destroyCluster(addon.cluster_id);
    return true;
  } catch (error) {
    work.log.error({ addon: addon.id, err: error }, 'a cluster could not be destroyed; it is tried again');
    return false;
  }
}

export async function forget(_work: AddonWork, id: string) {
  return done((db) => deleteRows(db, id));
}

/** Everything goes with the add-on's row but the audit trail; lines that its log never got are given up. */
async function deleteRows(db: ClientBase, id: string): Promise<void> {
  const sql = queriesOn(db);
  await recordEvent(sql, { addonId: id, type: 'addon-destroyed', dedupKey: `${id}/destroyed` });
  const addon = await sql.deleteFrom('addon').where('id', '=', id).returning('cluster_id').executeTakeFirst();
  await sql
    .updateTable('event')
    .set({ delivery: 'dropped' })
    .where('addon_id', '=', id)
    .where('delivery', '=', 'pending')
    .execute();
  if (addon) await sql.deleteFrom('open_tunnel').where('cluster_id', '=', addon.cluster_id).execute();
}
