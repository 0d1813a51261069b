import { go } from '@borealis/strands';
import { bumpClusters } from '../access/revision.js';
import { lockAddon } from '../addons/addon-store.js';
import type { AddonWork } from '../addons/addon-work.js';
import { type ControlDatabase, queriesOn } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import { writeMail } from '../mail/mailbox.js';
import { changeFailed } from './notices.js';
import { endPlanChange, type PlanChange, setPlanChange } from './plan-store.js';

/** The add-on keeps its plan, and people are told. What was made for the other one goes again. */
export function giveUpChange(work: AddonWork, change: PlanChange, reason: string) {
  const { addon_id: id, plan } = change;
  work.log.error({ alarm: 'plan-change-failed', addon: id, plan, reason }, 'an add-on keeps its former plan');
  return go('serve', {}, async (client) => {
    const db = { sql: queriesOn(client) };
    const addon = await lockAddon(db, id);
    if (!addon || !(await end(db, change))) return;
    await endMaintenance(db, id);
    // What the server says of its files is the operator's alone.
    const attributes = { plan: addon.plan, wanted_plan: plan };
    await recordEvent(db.sql, { addonId: id, type: 'plan-change-failed', attributes });
    await writeMail(db.sql, id, changeFailed({ addon: addon.name, plan: addon.plan, wanted: plan }));
    if (change.other_cluster_id === null) return;
    await bumpClusters(db.sql, [addon.cluster_id, change.other_cluster_id]);
  });
}

function end(db: Pick<ControlDatabase, 'sql'>, change: PlanChange): Promise<boolean> {
  if (change.other_cluster_id === null) return endPlanChange(db, change);
  return setPlanChange(db, change, { state: 'leaving', dueIn: 0 });
}

/** The add-on is available again, unless something else is being done to it. */
export async function endMaintenance(db: Pick<ControlDatabase, 'sql'>, id: string): Promise<void> {
  await db.sql
    .updateTable('addon')
    .set({ status: 'available' })
    .where('id', '=', id)
    .where('status', '=', 'maintenance-plan-change')
    .execute();
}
