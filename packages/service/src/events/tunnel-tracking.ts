import { sql } from 'kysely';
import { personalName } from '../access/access-document.js';
import { PERSONAL_HOURS } from '../access/personal-users.js';
import { lockAddon } from '../addons/addon-store.js';
import type { Transaction } from '../database.js';
import type { TunnelEvent } from './tunnel-key.js';

/** How long a person's credentials outlive the last tunnel; a dropped tunnel is opened again within it. */
export const GRACE_MINUTES = 10;

const LOOKS_PERSONAL = personalName('', 'ssh');

/** Notes a person's tunnel: while it is open, credentials are valid up to their hard limit. True when the caller has to bump the revision. */
export async function tunnelOpened(tx: Transaction, addonId: string, event: TunnelEvent): Promise<boolean> {
  if (event.kind !== 'personal') return false;
  await tx.sql
    .insertInto('open_tunnel')
    .values({
      cluster_id: event.clusterId,
      tunnel_id: event.tunnelId,
      username: event.username,
      opened_at: new Date(event.at),
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return setValidity(tx, addonId, suffixOf(event.username), null);
}

/** Forgets a person's tunnel; after the last one credentials end in ten minutes. True when the caller has to bump the revision. */
export async function tunnelClosed(tx: Transaction, addonId: string, event: TunnelEvent): Promise<boolean> {
  if (event.kind !== 'personal') return false;
  await tx.sql
    .deleteFrom('open_tunnel')
    .where('cluster_id', '=', event.clusterId)
    .where('tunnel_id', '=', event.tunnelId)
    .execute();
  const open = await tx.sql
    .selectFrom('open_tunnel')
    .select('tunnel_id')
    .where('cluster_id', '=', event.clusterId)
    .where('username', '=', event.username)
    .executeTakeFirst();
  return open ? false : setValidity(tx, addonId, suffixOf(event.username), new Date(event.at));
}

const suffixOf = (username: string) => username.slice(LOOKS_PERSONAL.length);

async function setValidity(tx: Transaction, addonId: string, suffix: string, closedAt: Date | null): Promise<boolean> {
  if (!(await lockAddon(tx, addonId))) return false;
  const until = closedAt
    ? sql<Date>`least(hard_limit, ${closedAt}::timestamptz + ${GRACE_MINUTES} * interval '1 minute')`
    : sql<Date>`hard_limit`;
  const changed = await tx.sql
    .updateTable('personal_credential')
    .set({ valid_until: until })
    .where('proof', 'is not', null)
    // Told late, the end of a tunnel must not end what was issued since: that is of the next session.
    .$if(closedAt !== null, (query) =>
      query.where('hard_limit', '<=', sql<Date>`${closedAt}::timestamptz + ${PERSONAL_HOURS} * interval '1 hour'`),
    )
    .where('valid_until', 'is distinct from', until)
    .where('personal_user_id', 'in', (e) =>
      e.selectFrom('personal_user').select('id').where('addon_id', '=', addonId).where('suffix', '=', suffix),
    )
    .executeTakeFirst();
  return changed.numUpdatedRows > 0n;
}
