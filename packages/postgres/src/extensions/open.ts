import type pg from 'pg';
import { runPlanned } from '../access/sql.js';
import type { DatabaseAccess } from '../access/wanted.js';

/** Lets all roles of a database use its extensions, by unqualified names, too (in sessions that begin from now on). */
export async function openExtensions(
  client: pg.Client,
  database: Pick<DatabaseAccess, 'owner' | 'readersGroup'>,
): Promise<void> {
  await runPlanned(client, MISSING_GRANTS, [[database.owner, database.readersGroup]]);
  await runPlanned(client, SEARCH_PATH, []);
}

/** Where there are extensions; tenants may have put some where they like. */
const PLACES = `
  places as (
    select nspname, n.oid, nspowner, min(e.oid) as first from pg_extension e join pg_namespace n on n.oid = extnamespace
    where nspname !~ '^pg_' group by n.oid, nspname, nspowner)`;

const MISSING_GRANTS = `
  with ${PLACES}
  select format('grant usage on schema %I to %I', nspname, role) as statement
  from places, unnest($1::text[]) as role
  where nspowner = current_user::regrole and not has_schema_privilege(role, oid, 'usage')`;

// Nobody but the superuser owns the database, so this setting is never a tenant's own.
const SEARCH_PATH = `
  with ${PLACES},
  wanted as (
    select '"$user", public, ' || string_agg(quote_ident(nspname), ', ' order by first) as path
    from places where nspname <> 'public'),
  present as (
    select substr(setting, length('search_path=') + 1) as path from pg_db_role_setting, unnest(setconfig) as setting
    where setdatabase = (select oid from pg_database where datname = current_database()) and setrole = 0
      and setting like 'search\\_path=%')
  select format('alter database %I ', current_database())
    || coalesce('set search_path = ' || wanted.path, 'reset search_path') as statement
  from wanted left join present on true
  where present.path is distinct from wanted.path`;
