import { randomName } from '@borealis/contract';
import type { ClusterOrigin, StoredCluster, StoredDatabase } from '@borealis/engine';
import type { Insertable, Kysely, Selectable } from 'kysely';
import type { Addon } from '../addons/addon-store.js';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import type { Access, Database, OriginTable } from '../schema.js';

type Queries = Pick<ControlDatabase, 'sql'>;
export type Origin = Selectable<OriginTable>;

/** Writes down what a new add-on is copied from, with all names that the copy needs, so that it can be made without the source's rows. */
export async function insertOrigin(tx: Queries, addonId: string, source: Addon, moment: string | null): Promise<void> {
  const roles = await tx.sql
    .selectFrom('app_role')
    .select(['access', 'name'])
    .where('addon_id', '=', source.id)
    .execute();
  const named = (access: Access) => roles.find((role) => role.access === access)!.name;
  await insert(tx, addonId, moment, {
    source_id: source.id,
    source_name: source.name,
    source_cluster_id: source.cluster_id,
    source_database: source.database_name,
    source_rw_role: named('rw'),
    source_ro_role: named('ro'),
  });
}

/** The same for what an object store has under that name. */
export async function insertStoredOrigin(
  tx: Queries,
  addonId: string,
  backup: string,
  { databases, roles }: StoredCluster,
  moment: string | null,
): Promise<void> {
  const [database] = databases;
  const readOnly = roles.find((role) => role.database === database?.name && role.name.startsWith('app_ro_'));
  if (!database || !readOnly) throw new AppError('backupEmpty', { backup });
  await insert(tx, addonId, moment, {
    source_id: null,
    source_name: backup,
    source_cluster_id: backup,
    source_database: database.name,
    source_rw_role: database.owner,
    source_ro_role: readOnly.name,
    from_store: true,
  });
}

/** The same for a dump that an object store has of a database, under that name: its cluster begins empty. */
export async function insertDumpOrigin(
  tx: Queries,
  addonId: string,
  backup: string,
  { database, owner }: StoredDatabase,
  dump: string,
): Promise<void> {
  const names = { source_name: backup, source_cluster_id: backup, source_database: database };
  const roles = { source_rw_role: owner, source_ro_role: '' };
  await insert(tx, addonId, null, { source_id: null, ...names, ...roles, from_store: true, dump });
}

type Source = Omit<Insertable<OriginTable>, 'addon_id' | 'moment' | 'role_suffix'>;

async function insert(tx: Queries, addonId: string, moment: string | null, source: Source): Promise<void> {
  await tx.sql
    .insertInto('origin')
    .values({ addon_id: addonId, ...source, moment, role_suffix: randomName(12) })
    .execute();
}

/** What the add-on was copied from; null when it began empty. */
export async function findOrigin(db: Queries, addonId: string): Promise<Origin | null> {
  return (await db.sql.selectFrom('origin').selectAll().where('addon_id', '=', addonId).executeTakeFirst()) ?? null;
}

/** The present name of what the add-on was copied from, or the last one that it had; null when it began empty. */
export async function sourceName(db: Queries, addonId: string): Promise<string | null> {
  const row = await db.sql
    .selectFrom('origin')
    .leftJoin('addon as source', 'source.id', 'origin.source_id')
    .select((e) => e.fn.coalesce('source.name', 'origin.source_name').as('name'))
    .where('origin.addon_id', '=', addonId)
    .executeTakeFirst();
  return row?.name ?? null;
}

/** To be called before the add-on's row goes: its copies remember its name. */
export async function keepSourceName(sql: Kysely<Database>, sourceId: string): Promise<void> {
  await sql
    .updateTable('origin')
    .from('addon')
    .set((e) => ({ source_name: e.ref('addon.name') }))
    .where('origin.source_id', '=', sourceId)
    .where('addon.id', '=', sourceId)
    .execute();
}

/** What the engine is told of it: the copy's database and roles have names of their own. */
export function clusterOrigin(origin: Origin, addon: Addon): ClusterOrigin {
  const { source_rw_role, source_ro_role, role_suffix } = origin;
  return {
    clusterId: origin.source_cluster_id,
    ...(origin.from_store && { fromStore: true as const }),
    moment: origin.moment,
    renames: {
      databases: [{ from: origin.source_database, to: addon.database_name }],
      roles: [
        { from: source_rw_role, to: appRoleName('rw', role_suffix) },
        { from: source_ro_role, to: appRoleName('ro', role_suffix) },
      ],
    },
  };
}

/** The name of an app's role. */
export function appRoleName(access: Access, suffix: string): string {
  return `app_${access}_${suffix}`;
}
