import type pg from 'pg';
import { connect } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';
import { notOfExtension, OWN } from './own-objects.js';

/** What in a database says who may do what, apart from owners and grants: by object, what is not PostgreSQL's default. */
export type Rights = Record<string, string>;

/** Reads it in the client's transaction. Expressions and the roles of policies are left out: the same may be written in several ways. */
export async function readRights(client: pg.Client): Promise<Rights> {
  const { rows } = await client.query<{ what: string; rights: string }>(RIGHTS);
  return Object.fromEntries(rows.map(({ what, rights }) => [what, rights]));
}

/**
 * What in a restored database somebody else than its owner has, or has a right to: a restore gives everything to the owner alone. Schemas
 * that were made for extensions are left out.
 */
export async function ownedByOthers(
  spec: ServerSpec,
  database: string,
  { owner, apart }: { owner: string; apart: readonly string[] },
  signal: AbortSignal,
): Promise<string[]> {
  const client = await connect(spec, database);
  try {
    signal.throwIfAborted();
    const { rows } = await client.query<{ name: string }>(OTHERS, [owner, apart]);
    return rows.map(({ name }) => name);
  } finally {
    await client.end().catch(() => {});
  }
}

const RIGHTS = `
  with own as (
    select c.oid, relkind, relrowsecurity, relforcerowsecurity, reloptions, format('%I.%I', nspname, relname) as name
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where ${OWN} and ${notOfExtension('pg_class', 'c.oid')})
  select 'row security of ' || name as what,
    concat_ws(', ', case when relrowsecurity then 'on' end, case when relforcerowsecurity then 'forced' end) as rights
  from own where relrowsecurity or relforcerowsecurity
  union all
  select format('policy %I of %s', polname, name), concat_ws(', ', polcmd, polpermissive, polroles = '{0}')
  from pg_policy join own on polrelid = own.oid
  union all
  select 'options of ' || name, array_to_string(array(select unnest(reloptions) order by 1), ', ')
  from own where relkind = 'v' and reloptions is not null
  union all
  select format('trigger %I of %s', tgname, name), tgenabled::text
  from pg_trigger join own on tgrelid = own.oid where not tgisinternal and tgparentid = 0 and tgenabled <> 'O'
  union all
  select format('function %I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)), concat_ws(', ',
    case when prosecdef then 'security definer' end,
    array_to_string(array(select split_part(unnest(proconfig), '=', 1) order by 1), ', '))
  from pg_proc p join pg_namespace n on n.oid = pronamespace
  where ${OWN} and ${notOfExtension('pg_proc', 'p.oid')} and (prosecdef or proconfig is not null)`;

const OTHERS = `
  with restored (name, owner, acl) as (
    select format('%I.%I', nspname, relname), relowner, relacl from pg_class c join pg_namespace n on n.oid = relnamespace
    where relkind in ('r', 'p', 'v', 'm', 'S', 'f') and ${OWN} and ${notOfExtension('pg_class', 'c.oid')}
    union all
    select format('%I.%I()', nspname, proname), proowner, proacl from pg_proc p join pg_namespace n on n.oid = pronamespace
    where ${OWN} and ${notOfExtension('pg_proc', 'p.oid')}
    union all
    select format('%I.%I', nspname, typname), typowner, typacl from pg_type t join pg_namespace n on n.oid = typnamespace
    where typtype in ('d', 'e', 'r') and ${OWN} and ${notOfExtension('pg_type', 't.oid')}
    union all
    select quote_ident(nspname), nspowner, nspacl from pg_namespace
    where ${OWN} and nspname <> 'public' and nspname <> all ($2::text[])
    union all
    select 'large object ' || oid, lomowner, lomacl from pg_largeobject_metadata
    union all
    select 'default rights', defaclrole, defaclacl from pg_default_acl)
  select name from restored
  where owner <> (select oid from pg_roles where rolname = $1)
    or exists (select from aclexplode(acl) where grantee <> owner)
  order by name collate "C"`;
