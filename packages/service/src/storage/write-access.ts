import type { ClientBase } from 'pg';
import { type Addon, lockAddon } from '../addons/addon-store.js';
import { type ControlDatabase, queriesOn } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import type { Notice } from '../mail/mailbox.js';
import { writeMail } from '../mail/mailbox.js';
import type { StorageReason } from '../schema.js';
import { noticeFacts, restricted, sizes, writable } from './notices.js';
import type { StoragePolicy } from './storage-policy.js';
import { findStorage, IDLE, type Storage } from './storage-store.js';

type Queries = Pick<ControlDatabase, 'sql'>;

/** True when write access was to be revoked or given back, the engine has done it, and nobody was told yet. */
export async function isWriteAccessChanged(db: Queries, addonId: string): Promise<boolean> {
  const row = await db.sql
    .selectFrom('storage')
    .innerJoin('addon', 'addon.id', 'storage.addon_id')
    .innerJoin('cluster', 'cluster.id', 'addon.cluster_id')
    .select('addon.id')
    .where('addon.id', '=', addonId)
    .where('storage.change', 'is not', null)
    .whereRef('cluster.applied_revision', '>=', 'storage.change_revision')
    .executeTakeFirst();
  return row !== undefined;
}

/** A row write: tells the app's log and the owner what the engine has done, once. */
export async function confirmWriteAccess(client: ClientBase, addonId: string, policy: StoragePolicy): Promise<void> {
  const db = { sql: queriesOn(client) };
  const addon = await lockAddon(db, addonId);
  // A newer change may have come meanwhile, which the engine has not done yet.
  if (!addon || !(await isWriteAccessChanged(db, addonId))) return;
  const storage = (await findStorage(db, addonId))!;
  await db.sql.updateTable('storage').set({ change: null }).where('addon_id', '=', addonId).execute();
  await db.sql
    .updateTable('addon')
    .set({ status: 'available' })
    .where('id', '=', addonId)
    .where('status', 'in', IDLE)
    .execute();
  const type = storage.change === 'revoke' ? 'db-write-access-revoked' : 'db-write-access-restored';
  const until = storage.change === 'restore' && storage.window_until?.toISOString();
  const attributes = { reason: storage.change_reason!, ...sizes(addon, storage, policy), ...(until && { until }) };
  await recordEvent(db.sql, { addonId, type, attributes });
  const notice = noticeOf(addon, storage, policy);
  if (notice) await writeMail(db.sql, addonId, notice);
}

/** Clean-up windows need no e-mail: who opened one knows. */
function noticeOf(addon: Addon, storage: Storage, policy: StoragePolicy): Notice | null {
  const facts = noticeFacts(addon, storage, policy);
  const reason = storage.change_reason;
  if (reason === 'resolved') return writable(facts);
  const isFirst = reason === 'deadline' || reason === 'excess' || reason === 'disk';
  return isFirst ? restricted({ ...facts, reason: reason satisfies StorageReason }) : null;
}
