import type pg from 'pg';
import { runPlanned } from './sql.js';
import type { DatabaseAccess } from './wanted.js';

/**
 * Takes from the readers, and from PUBLIC, which they belong to, every right to write: on tables, columns, sequences, schemas
 * and large objects, now and by default. (A function that a writer made SECURITY DEFINER still writes for who may call it.)
 */
export async function guardReadOnly(client: pg.Client, database: DatabaseAccess): Promise<void> {
  const { owner, readersGroup, readers } = database;
  const names = [readersGroup, ...readers];
  await runPlanned(client, TAKE_OWNERSHIP, [names, owner]);
  await runPlanned(client, REVOKE_WRITES, [names]);
}

/** Lets `writer` call the functions that write without a table, and nobody else; null for nobody at all. */
export async function guardWritingFunctions(client: pg.Client, writer: string | null): Promise<void> {
  await runPlanned(client, LARGE_OBJECT_FUNCTIONS, [writer, WRITING_FUNCTIONS]);
  for (const statement of HIDE_FROM_DUMPS) await client.query(statement, [WRITING_FUNCTIONS]);
}

const WRITING_FUNCTIONS = [
  ...['lo_creat', 'lo_create', 'lo_from_bytea', 'lo_put', 'lowrite', 'lo_truncate', 'lo_truncate64', 'lo_unlink'],
  ...['lo_import', 'lo_export', 'pg_logical_emit_message'],
];

/** PUBLIC may call these by default; the writer may go on, except for the two that touch the server's files. */
const LARGE_OBJECT_FUNCTIONS = `
  with writing as (
    select oid, proname, oid::regprocedure as name, coalesce(proacl, acldefault('f', proowner)) as acl from pg_proc
    where pronamespace = 'pg_catalog'::regnamespace and proname = any ($2))
  select format('revoke all on function %s from %s', name, case grantee when 0 then 'public' else grantee::regrole::text end) as statement
  from writing, aclexplode(acl) where grantee = 0 or ($1::text is null and grantee in (select oid from pg_roles where not rolsuper))
  union all
  select format('grant execute on function %s to %I', name, $1::text)
  from writing where $1::text is not null and proname not in ('lo_import', 'lo_export')
    and not exists (select from aclexplode(acl) where grantee = $1::regrole)`;

// pg_dump writes out how the rights on system functions differ from these initial ones; a tenant's dump would name our roles,
// and could not be restored anywhere without errors.
const CHANGED = `
  p.pronamespace = 'pg_catalog'::regnamespace and p.proname = any ($1) and p.proacl is not null`;
const HIDE_FROM_DUMPS = [
  `update pg_init_privs i set initprivs = p.proacl from pg_proc p
   where i.objoid = p.oid and i.classoid = 'pg_proc'::regclass and i.objsubid = 0 and i.initprivs <> p.proacl and ${CHANGED}`,
  `insert into pg_init_privs (objoid, classoid, objsubid, privtype, initprivs)
   select p.oid, 'pg_proc'::regclass, 0, 'i', p.proacl from pg_proc p
   where ${CHANGED} and not exists (
     select from pg_init_privs i where i.objoid = p.oid and i.classoid = 'pg_proc'::regclass and i.objsubid = 0)`,
];

/** A reader who could create once (through a right of PUBLIC) owns what he made, and an owner may always write. */
const TAKE_OWNERSHIP = `
  select distinct format('reassign owned by %I to %I', rolname, $2::text) as statement
  from pg_class c join pg_roles r on r.oid = relowner join pg_namespace n on n.oid = relnamespace
  where rolname = any ($1) and nspname !~ '^pg_(temp|toast)'`;

const HOLDER = `case grantee when 0 then 'public' else grantee::regrole::text end`;
// Of a sequence USAGE is nextval(), which writes; of a schema it only lets see.
const WRITES = `grantee in (select oid from readers) and privilege_type <> 'SELECT'
  and not (kind = 'schema' and privilege_type = 'USAGE')`;

const REVOKE_WRITES = `
  with readers as (select oid from pg_roles where rolname = any ($1) union all select 0::oid),
  schemas as (
    select oid, nspname, nspacl from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'),
  relations as (
    select c.oid, format('%I.%I', nspname, relname) as name, relacl, case relkind when 'S' then 'sequence' else 'table' end as kind
    from pg_class c join schemas s on s.oid = relnamespace),
  held (kind, name, acl) as (
    select 'schema', quote_ident(nspname), nspacl from schemas
    union all select kind, name, relacl from relations
    union all select 'large object', oid::text, lomacl from pg_largeobject_metadata),
  columns (kind, name, attname, acl) as (
    select kind, name, attname, attacl from pg_attribute join relations on relations.oid = attrelid),
  defaults (kind, role, place, acl) as (
    select case defaclobjtype when 'r' then 'table' when 'S' then 'sequence' else 'schema' end, defaclrole::regrole,
      case defaclnamespace when 0 then '' else 'in schema ' || defaclnamespace::regnamespace end, defaclacl
    from pg_default_acl where defaclobjtype in ('r', 'S', 'n'))
  select format('revoke %s on %s %s from %s cascade', privilege_type, kind, name, ${HOLDER}) as statement
  from held, aclexplode(acl) where ${WRITES}
  union all
  select format('revoke %s (%I) on %s from %s cascade', privilege_type, attname, name, ${HOLDER})
  from columns, aclexplode(acl) where ${WRITES}
  union all
  select format('alter default privileges for role %s %s revoke %s on %ss from %s', role, place, privilege_type, kind, ${HOLDER})
  from defaults, aclexplode(acl) where ${WRITES}`;
