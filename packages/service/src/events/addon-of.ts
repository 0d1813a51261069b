import type { EngineEvent } from '@borealis/engine';
import { personalName } from '../access/access-document.js';
import type { Transaction } from '../database.js';

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
  if (!('username' in event)) return null;
  const { kind, username } = event;
  const named =
    kind === 'app'
      ? inCluster.innerJoin('app_ssh_key as key', 'key.addon_id', 'addon.id').where('key.username', '=', username)
      : inCluster
          .innerJoin('personal_user as person', 'person.addon_id', 'addon.id')
          .where('person.suffix', '=', username.slice(personalName('', 'ssh').length));
  return (await named.executeTakeFirst())?.id ?? null;
}
