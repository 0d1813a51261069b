import { sql } from 'kysely';
import type { ClientBase } from 'pg';
import { lockAddon } from '../addons/addon-store.js';
import { type ControlDatabase, queriesOn } from '../database.js';
import type { CredentialKind } from '../schema.js';
import { personalName } from './access-document.js';
import { bumpRevision } from './revision.js';

/** A credential whose time is over while its proof still stands in the access document. */
export interface Expired {
  userId: string;
  kind: CredentialKind;
  name: string;
}

export async function expiredCredentials(db: ControlDatabase, addonId: string): Promise<Expired[]> {
  const rows = await live(db, addonId)
    .select(['person.id', 'person.suffix', 'credential.kind'])
    .where('credential.valid_until', '<=', sql<Date>`now()`)
    .execute();
  return rows.map(({ id, suffix, kind }) => ({ userId: id, kind, name: personalName(suffix, kind) }));
}

/** Seconds until the next credential of the add-on expires; null when there is none. */
export async function secondsToNextExpiry(db: ControlDatabase, addonId: string): Promise<number | null> {
  const row = await live(db, addonId)
    .select(sql<number | null>`extract(epoch from min(credential.valid_until) - now())::float8`.as('seconds'))
    .executeTakeFirst();
  const seconds = row?.seconds ?? null;
  return seconds === null ? null : Math.max(0.1, seconds);
}

function live(db: ControlDatabase, addonId: string) {
  return db.sql
    .selectFrom('personal_credential as credential')
    .innerJoin('personal_user as person', 'person.id', 'credential.personal_user_id')
    .where('person.addon_id', '=', addonId)
    .where('credential.proof', 'is not', null);
}

/**
 * A row write: forgets those proofs and asks for a new access document. One that was replaced meanwhile stays, and so does one that
 * only expires now: its sessions have not been ended yet.
 */
export async function endExpired(client: ClientBase, addonId: string, expired: readonly Expired[]): Promise<void> {
  const queries = queriesOn(client);
  await lockAddon({ sql: queries }, addonId);
  for (const { userId, kind } of expired)
    await queries
      .updateTable('personal_credential')
      .set({ proof: null })
      .where('personal_user_id', '=', userId)
      .where('kind', '=', kind)
      .where('valid_until', '<=', sql<Date>`now()`)
      .execute();
  await bumpRevision(queries, addonId);
}
