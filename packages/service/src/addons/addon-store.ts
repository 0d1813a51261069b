import { type AddonStatus, type Plan, type PostgresMajor, randomName, type Secret } from '@borealis/contract';
import type { Selectable } from 'kysely';
import { type ControlDatabase, queriesOn, type Transaction } from '../database.js';
import type { AddonTable } from '../schema.js';
import type { Vault } from '../vault.js';
import { chooseCluster } from './cluster-store.js';

export type Addon = Selectable<AddonTable>;

/** What the platform asked for, checked. */
export interface NewAddon {
  id: string;
  name: string;
  plan: Plan;
  major: PostgresMajor;
  region: string;
  logInputUrl: Secret | null;
}

/** The place of an add-on's log address for the vault. */
export const logInputUrlPlace = (id: string) => ({ table: 'addon', row: id, column: 'log_input_url' });

/**
 * Adds the row unless there is one of this id; true when it was added. The names of everything to be made are chosen here. The
 * caller keeps others from adding the same id meanwhile.
 */
export async function insertAddon(tx: Transaction, vault: Vault, addon: NewAddon): Promise<boolean> {
  const { logInputUrl, id } = addon;
  if (await findAddon(tx, id)) return false;
  const clusterId = await chooseCluster(tx, addon.plan, addon.major);
  await tx.sql
    .insertInto('addon')
    .values({
      id,
      name: addon.name,
      plan: addon.plan.name,
      postgres_major: addon.major,
      region: addon.region,
      cluster_id: clusterId,
      database_name: `d${randomName(12)}`,
      log_input_url: logInputUrl && vault.seal(logInputUrl, logInputUrlPlace(id)),
    })
    .execute();
  await tx.sql.insertInto('storage').values({ addon_id: id }).execute();
  return true;
}

/** The add-on of that id; null when there is none. */
export async function findAddon(db: Pick<ControlDatabase, 'sql'>, id: string): Promise<Addon | null> {
  return (await db.sql.selectFrom('addon').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

/** Locks the row until the transaction ends: whatever concerns one add-on happens in one order. Null when there is none. */
export async function lockAddon(tx: Pick<Transaction, 'sql'>, id: string): Promise<Addon | null> {
  return (await tx.sql.selectFrom('addon').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()) ?? null;
}

/** Follows a rename at the platform. */
export async function renameAddon(db: Pick<ControlDatabase, 'sql'>, id: string, name: string): Promise<void> {
  await db.sql.updateTable('addon').set({ name }).where('id', '=', id).where('name', '!=', name).execute();
}

/** A row write for an outcome: the status that people are shown. */
export function setStatus(id: string, status: AddonStatus) {
  return async (client: Parameters<typeof queriesOn>[0]): Promise<void> => {
    await queriesOn(client).updateTable('addon').set({ status }).where('id', '=', id).execute();
  };
}
