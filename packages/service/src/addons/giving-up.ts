import { go, nap } from '@borealis/strands';
import { sql } from 'kysely';
import type { ClientBase } from 'pg';
import { type ControlDatabase, queriesOn } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import { GrantDead } from '../platform/oauth-grants.js';
import { PlatformRefused } from '../platform/platform-http.js';
import { type AddonWork, ownAddon } from './addon-work.js';
import { destroyedDatabase } from './removal.js';

/** How long the making of a cluster may fail. The platform itself would keep people waiting for twelve hours. */
const GIVE_UP_MINUTES = 60;
const AFTER_FAILURE_SECONDS = 10;

/** True when the add-on was asked for so long ago that failing to make its cluster is final. */
export async function isHopeless(db: ControlDatabase, id: string): Promise<boolean> {
  const row = await db.sql
    .selectFrom('addon')
    .select('id')
    .where('id', '=', id)
    .where('created_at', '<', sql<Date>`now() - ${GIVE_UP_MINUTES} * interval '1 minute'`)
    .executeTakeFirst();
  return row !== undefined;
}

/** A row write: from now on the add-on is as good as destroyed. */
export function markGivenUp(id: string) {
  return async (client: ClientBase): Promise<void> => {
    const queries = queriesOn(client);
    await recordEvent(queries, { addonId: id, type: 'addon-given-up', dedupKey: `${id}/given-up` });
    await queries
      .updateTable('addon')
      .set((e) => ({ destroy_requested_at: e.fn.coalesce('destroy_requested_at', e.fn<Date>('now')) }))
      .where('id', '=', id)
      .execute();
  };
}

/**
 * Removes what there is of the cluster and then tells the platform, which forgets the add-on and our authorization with it. So a
 * refusal here means that it was told before, or that its own limit will tell it.
 */
export async function giveUp(work: AddonWork, id: string) {
  if (!(await destroyedDatabase(work, await ownAddon(work, id)))) return nap(AFTER_FAILURE_SECONDS);
  try {
    await work.grants.call(id, (token) => work.platform.markDeprovisioned(token, id));
  } catch (error) {
    if (!(error instanceof GrantDead || error instanceof PlatformRefused)) throw error;
    work.log.warn({ addon: id, reason: error.message }, 'the platform could not be told that an add-on is given up');
  }
  return go('forget');
}
