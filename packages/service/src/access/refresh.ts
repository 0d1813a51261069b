import type { Strands } from '@borealis/strands';
import type { ControlDatabase } from '../database.js';
import { accessDocument } from './access-document.js';

/**
 * Gives a new revision to every access document that this version writes otherwise than the one before, and wakes who publishes it.
 * To be called at every start: an upgrade may change what a document says without a change of rows. Killed between the two, the
 * document is published when its add-ons are looked at the next time.
 */
export async function refreshDocuments(db: ControlDatabase, strands: Pick<Strands, 'signal'>): Promise<void> {
  const clusters = await db.sql
    .selectFrom('cluster')
    .select(['id', 'access_revision'])
    .where('access_revision', '>', 0)
    .execute();
  for (const { id, access_revision } of clusters) {
    const document = await db.transaction((tx) => accessDocument(tx, id));
    if (!document || document.revision === access_revision) continue;
    const addons = await db.sql.selectFrom('addon').select('id').where('cluster_id', '=', id).execute();
    for (const addon of addons) await strands.signal(db.pool, addon.id, 'access');
  }
}
