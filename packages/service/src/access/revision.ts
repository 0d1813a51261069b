import { type Kysely, sql } from 'kysely';
import type { Database } from '../schema.js';

/**
 * Asks for a new access document of the add-on's cluster; returns its revision. To be called in the transaction of every change to
 * who may log in, after the add-on's row is locked and as its last lock.
 */
export async function bumpRevision(db: Kysely<Database>, addonId: string): Promise<number> {
  const row = await db
    .updateTable('cluster')
    .set({ access_revision: sql<number>`access_revision + 1` })
    .where('id', '=', (e) => e.selectFrom('addon').select('cluster_id').where('id', '=', addonId))
    .returning('access_revision')
    .executeTakeFirstOrThrow();
  return row.access_revision;
}

/** The same for clusters by their names, whatever is to change there; in one order, so that no two transactions wait for each other. */
export async function bumpClusters(db: Kysely<Database>, clusterIds: readonly string[]): Promise<void> {
  for (const id of [...clusterIds].sort())
    await db
      .updateTable('cluster')
      .set({ access_revision: sql<number>`access_revision + 1` })
      .where('id', '=', id)
      .execute();
}
