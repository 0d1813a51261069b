import type { Engine, InstalledExtension } from '@borealis/engine';
import { type Selectable, sql } from 'kysely';
import type { Addon } from '../addons/addon-store.js';
import type { ControlDatabase, Transaction } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import type { ExtensionChangeTable } from '../schema.js';

export type ExtensionChange = Selectable<ExtensionChangeTable>;

/** No request is still at work after this; what it began is settled without it. */
const SETTLE_AFTER_SECONDS = 60;
const settleAt = sql<Date>`begun_at + ${SETTLE_AFTER_SECONDS} * interval '1 second'`;

/** Writes down what the engine is about to be asked for, so that its event comes about whoever dies on the way. */
export function beginChange(
  tx: Pick<Transaction, 'sql'>,
  values: Pick<ExtensionChange, 'addon_id' | 'change' | 'extension' | 'user_email'>,
): Promise<ExtensionChange> {
  return tx.sql.insertInto('extension_change').values(values).returningAll().executeTakeFirstOrThrow();
}

/** Writes the event of a change that has happened, once; `version`: of an installed one. */
export async function completeChange(db: ControlDatabase, change: ExtensionChange, version?: string): Promise<void> {
  await db.transaction(async (tx) => {
    await recordEvent(tx.sql, {
      addonId: change.addon_id,
      type: change.change === 'install' ? 'postgresql-extension-installed' : 'postgresql-extension-removed',
      attributes: { extension: change.extension, ...(version && { version }), user: change.user_email },
      dedupKey: `extension-change/${change.id}`,
    });
    await dropChange(tx, change);
  });
}

/** Forgets a change that did not happen. */
export async function dropChange(db: Pick<ControlDatabase, 'sql'>, change: ExtensionChange): Promise<void> {
  await db.sql.deleteFrom('extension_change').where('id', '=', change.id).execute();
}

/** Finds out from the database itself what became of changes whose requests were cut short. */
export async function settleChanges(db: ControlDatabase, engine: Engine, addon: Addon): Promise<void> {
  const changes = await db.sql
    .selectFrom('extension_change')
    .selectAll()
    .where('addon_id', '=', addon.id)
    .where(settleAt, '<=', sql<Date>`now()`)
    .orderBy('begun_at')
    .execute();
  if (changes.length === 0) return;
  const { installed } = await engine.extensions(addon.cluster_id, addon.database_name);
  for (const change of changes) await settle(db, change, installed);
}

async function settle(db: ControlDatabase, change: ExtensionChange, installed: readonly InstalledExtension[]) {
  const found = installed.find(({ name }) => name === change.extension);
  const hasHappened = (change.change === 'install') === (found !== undefined);
  await (hasHappened ? completeChange(db, change, found?.version) : dropChange(db, change));
}

/** Seconds until there is something to settle; null when nothing is under way. */
export async function secondsToSettle(db: ControlDatabase, addonId: string): Promise<number | null> {
  const row = await db.sql
    .selectFrom('extension_change')
    .select(sql<number>`extract(epoch from ${settleAt} - now())::float8`.as('seconds'))
    .where('addon_id', '=', addonId)
    .orderBy('begun_at')
    .limit(1)
    .executeTakeFirst();
  return row ? Math.max(0, row.seconds) : null;
}
