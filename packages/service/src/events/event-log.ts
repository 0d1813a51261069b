import { EVENT_TYPES, type EventType } from '@borealis/contract';
import type { NodeEventType, ProofEventType, RecoveryEventType, TroubleEventType } from '@borealis/engine';
import type { Kysely } from 'kysely';
import type { Database } from '../schema.js';

/** Things of an add-on's life that the operator sees and the app's log does not. */
export type LifecycleType =
  | 'addon-requested'
  | 'addon-available'
  | 'addon-given-up'
  | 'addon-destroy-requested'
  | 'addon-destroyed';
/** What an engine tells about a cluster and no app's log shows. */
export type ClusterEventType =
  | 'ban-started'
  | 'ban-ended'
  | RecoveryEventType
  | TroubleEventType
  | ProofEventType
  | NodeEventType;

/** Something that happened to one add-on. */
export interface NewEvent {
  addonId: string;
  type: EventType | LifecycleType | ClusterEventType;
  attributes?: Record<string, string | number | boolean>;
  /** When it happened; now when not given. */
  at?: Date;
  /** The same key is written once. */
  dedupKey?: string;
}

const LOGGED = new Set<string>(EVENT_TYPES);

/**
 * Writes an event in the caller's transaction; true unless it was there already or the add-on is gone. The add-on's row is locked
 * first, so that its events commit, and reach its log, in the order of their numbers.
 */
export async function recordEvent(sql: Kysely<Database>, event: NewEvent): Promise<boolean> {
  const { addonId, type, attributes = {}, at, dedupKey } = event;
  const addon = await sql
    .selectFrom('addon')
    .select(['name', 'log_input_url'])
    .where('id', '=', addonId)
    .forUpdate()
    .executeTakeFirst();
  if (!addon) return false;
  const result = await sql
    .insertInto('event')
    .values({
      addon_id: addonId,
      addon_name: addon.name,
      type,
      attributes: JSON.stringify(attributes),
      delivery: LOGGED.has(type) && addon.log_input_url ? 'pending' : 'none',
      ...(at && { at }),
      ...(dedupKey && { dedup_key: dedupKey }),
    })
    .onConflict((conflict) => conflict.column('dedup_key').doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}
