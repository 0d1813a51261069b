import type { PrincipalKind } from '@borealis/contract';
import type { EngineEvent } from '@borealis/engine';
import type { SelectQueryBuilder } from 'kysely';
import { personalName } from '../access/access-document.js';
import type { Transaction } from '../database.js';
import type { Database } from '../schema.js';
import { type TunnelEvent, tunnelKey } from './tunnel-key.js';

/**
 * The add-on that an event is about: the only one of its cluster, or in a shared cluster the one whose tunnel user it names. Null
 * when it is gone, or when the event is about a shared cluster as a whole.
 */
export async function addonOf(tx: Pick<Transaction, 'sql'>, event: EngineEvent): Promise<string | null> {
  const cluster = await tx.sql
    .selectFrom('cluster')
    .select('tenancy')
    .where('id', '=', event.clusterId)
    .executeTakeFirst();
  if (!cluster) return null;
  const inCluster = tx.sql.selectFrom('addon').select('addon.id').where('addon.cluster_id', '=', event.clusterId);
  if (cluster.tenancy === 'isolated') return (await inCluster.executeTakeFirst())?.id ?? null;
  if (!('tunnelId' in event)) return null;
  const named = ADDONS_NAMED[event.kind](inCluster, event.username);
  return (await named.executeTakeFirst())?.id ?? (await addonOfOpening(tx, event));
}

type Addons = SelectQueryBuilder<Database, 'addon', { id: string }>;

const ADDONS_NAMED: Record<PrincipalKind, (addons: Addons, username: string) => Addons> = {
  app: (addons, username) =>
    addons.innerJoin('app_ssh_key as key', 'key.addon_id', 'addon.id').where('key.username', '=', username),
  personal: (addons, username) =>
    addons
      .innerJoin('personal_user as person', 'person.addon_id', 'addon.id')
      .where('person.suffix', '=', username.slice(personalName('', 'ssh').length)),
  integration: (addons, username) =>
    addons
      .innerJoin('data_integration as integration', 'integration.addon_id', 'addon.id')
      .where('integration.username', '=', username),
};

/** A tunnel's user may be gone by the time its end is told: an integration's goes with its registration. */
async function addonOfOpening(tx: Pick<Transaction, 'sql'>, event: TunnelEvent): Promise<string | null> {
  const opening = tunnelKey({ ...event, type: 'tunnel-created' });
  const row = await tx.sql.selectFrom('event').select('addon_id').where('dedup_key', '=', opening).executeTakeFirst();
  return row?.addon_id ?? null;
}
