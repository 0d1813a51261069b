import type pg from 'pg';
import { runPlanned } from '../access/sql.js';

/** True when tenants have nothing in the database. */
export async function isEmpty(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query(`${OWN_SCHEMAS}
    select from pg_class where relnamespace in (select oid from schemas)
    union all select from pg_proc where pronamespace in (select oid from schemas)
    union all select from schemas where nspname <> 'public'
    union all select from pg_largeobject_metadata limit 1`);
  return rowCount === 0;
}

/** Drops everything that a copy which was not finished left there, and leaves the public schema as the old database has it. */
export async function emptyDatabase(old: pg.Client, next: pg.Client): Promise<void> {
  await next.query('set client_min_messages = warning');
  await runPlanned(next, DROP, []);
  const { rows } = await old.query<{ statement: string }>(PUBLIC);
  for (const { statement } of rows) await next.query(statement);
}

// A dump takes the schema and its first comment for granted.
const PUBLIC = `
  select format('create schema public authorization %s; comment on schema public is %L',
    case when rolsuper then 'current_user' else quote_ident(rolname) end, obj_description(n.oid, 'pg_namespace')) as statement
  from pg_namespace n join pg_roles r on r.oid = nspowner where nspname = 'public'`;

const OWN_SCHEMAS = `
  with schemas as (
    select oid, nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')`;

const DROP = `${OWN_SCHEMAS}
  select format('drop extension if exists %I cascade', extname) as statement from pg_extension where extname <> 'plpgsql'
  union all select format('drop publication if exists %I', pubname) from pg_publication
  union all select format('drop schema if exists %I cascade', nspname) from schemas
  union all select format('select lo_unlink(%s)', oid) from pg_largeobject_metadata`;
