import pg from 'pg';
import { runPlanned, withAccessLock, withDatabase } from '../access/sql.js';
import { type ConnectTo, isReaderRole, type WantedDatabase } from '../access/wanted.js';
import { ExtensionError } from '../extensions/extension-error.js';
import { installExtension } from '../extensions/install.js';
import { schemaOf } from '../extensions/schema.js';
import type { Prelude } from './prelude.js';

const { escapeIdentifier } = pg;

/** The roles that take the place of those that a dump names. */
export interface RolesInDump {
  owner: string;
  /** The app's read-only role; left out: there is none. */
  reader?: string | undefined;
}

/** True when tenants have nothing in the database. */
export async function isEmptyDatabase(connectTo: ConnectTo, name: string): Promise<boolean> {
  return withDatabase(connectTo, name, async (client) => {
    const { rowCount } = await client.query(`
      select from pg_class c join pg_namespace n on n.oid = relnamespace
      where nspname !~ '^pg_' and nspname <> 'information_schema' limit 1`);
    return rowCount === 0;
  });
}

/**
 * Drops a tenant's database with all that is in it; `dropped` is called before anybody can make it anew. Its roles stay.
 */
export async function emptyDatabase(connectTo: ConnectTo, name: string, dropped: () => void): Promise<void> {
  await withAccessLock(connectTo, async (service) => {
    await service.query(`drop database if exists ${escapeIdentifier(name)} with (force)`);
    dropped();
  });
}

/**
 * Makes what a dump takes for granted: the extensions that are not the tenant's own to create, and the roles that it names. Throws an
 * `ExtensionError` for one that is not offered here.
 */
export async function prepareFill(connectTo: ConnectTo, database: WantedDatabase, prelude: Prelude): Promise<void> {
  await withDatabase(connectTo, 'postgres', (client) =>
    runPlanned(
      client,
      `select format('create role %I nologin', name) as statement from unnest($1::text[]) as name
       where name not in (select rolname from pg_roles)`,
      [prelude.roles],
    ),
  );
  // One that its owner has put elsewhere is trusted, and is in the dump.
  const ours = prelude.extensions.filter((one) => one.schema === schemaOf({ name: one.name, schema: null }));
  await installAll(
    connectTo,
    database,
    ours.map(({ name }) => name),
  );
}

/** In an order in which each has what it needs. */
async function installAll(connectTo: ConnectTo, database: WantedDatabase, names: readonly string[]): Promise<void> {
  const later: string[] = [];
  let last: unknown = null;
  for (const name of names)
    try {
      await installExtension(connectTo, database, name);
    } catch (error) {
      if (!(error instanceof ExtensionError)) throw error;
      if (error.code === 'dependencies') [last] = [error, later.push(name)];
      else if (error.code !== 'exists') throw error;
    }
  if (later.length === 0) return;
  if (later.length === names.length) throw last;
  await installAll(connectTo, database, later);
}

/** Gives the policies of the dump's own app roles to those that are in their place. */
export async function adoptPolicies(
  connectTo: ConnectTo,
  database: string,
  named: readonly string[],
  { owner, reader }: RolesInDump,
): Promise<void> {
  const app = named.filter((name) => name.startsWith('app_') && (reader !== undefined || !isReaderRole(name)));
  const now = app.map((name) => (isReaderRole(name) ? reader! : owner));
  await withDatabase(connectTo, database, (client) => runPlanned(client, POLICIES, [app, now]));
}

const POLICIES = `
  with renamed (former, present) as (select * from unnest($1::text[], $2::text[]))
  select format('alter policy %I on %s to %s', polname, polrelid::regclass,
    (select string_agg(distinct quote_ident(coalesce(present, rolname)), ', ')
     from pg_roles r left join renamed on former = rolname where r.oid = any (polroles))) as statement
  from pg_policy
  where exists (select from pg_roles r join renamed on former = rolname where r.oid = any (polroles))`;
