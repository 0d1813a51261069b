import type pg from 'pg';
import { runPlanned } from './sql.js';
import type { DatabaseAccess } from './wanted.js';

/** Lets the owner and the readers use all there is and will be in a database, whoever made it. */
export async function grantAccess(client: pg.Client, database: DatabaseAccess): Promise<void> {
  const { name, owner, readersGroup, writers } = database;
  await runPlanned(client, DATABASE_GRANTS, [name, owner, readersGroup]);
  await runPlanned(client, OWN_PUBLIC_SCHEMA, [owner]);
  await runPlanned(client, DEFAULT_PRIVILEGES, [writers, owner, readersGroup]);
  await runPlanned(client, REPAIR_GRANTS, [writers, owner, readersGroup]);
}

const DATABASE_GRANTS = `
  select format('grant connect, temporary%s on database %I to %I', more, $1::text, role) as statement
  from (values ($2::text, ', create'), ($3::text, '')) as wanted (role, more)
  where not has_database_privilege(role, $1, 'connect') or not has_database_privilege(role, $1, 'temporary')
    or (more <> '' and not has_database_privilege(role, $1, 'create'))`;

// A tenant may have dropped it, which is his right.
const OWN_PUBLIC_SCHEMA = `
  select format('alter schema public owner to %I', $1::text) as statement
  from pg_namespace where nspname = 'public' and nspowner <> $1::regrole
  union all
  select 'revoke all on schema public from public'
  from pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
  where nspname = 'public' and grantee = 0
  group by nspname`;

/** What each writer's future objects give: reading to the readers, and all to the owner where he is not the owner. */
const DEFAULT_PRIVILEGES = `
  with rule (objtype, objects, privileges, probe, grantee) as (
    values ('r', 'tables', 'select', 'SELECT', $3::text), ('S', 'sequences', 'select', 'SELECT', $3),
      ('n', 'schemas', 'usage', 'USAGE', $3), ('r', 'tables', 'all', 'DELETE', $2),
      ('S', 'sequences', 'all', 'UPDATE', $2), ('n', 'schemas', 'all', 'CREATE', $2), ('f', 'functions', 'all', 'EXECUTE', $2))
  select format('alter default privileges for role %I grant %s on %s to %I', writer, privileges, objects, rule.grantee) as statement
  from unnest($1::text[]) as writer, rule
  where writer <> rule.grantee and not exists (
    select from pg_default_acl d, aclexplode(d.defaclacl) a
    where d.defaclrole = writer::regrole and d.defaclnamespace = 0 and d.defaclobjtype::text = rule.objtype
      and a.grantee = rule.grantee::regrole and a.privilege_type = rule.probe)`;

/** The same for what exists already: a tenant may have revoked it, or restored a dump with rights of its own. */
const REPAIR_GRANTS = `
  with mine as (select oid from pg_roles where rolname = any ($1)),
  schemas as (
    select oid, nspname, nspowner from pg_namespace
    where nspname !~ '^pg_' and nspname <> 'information_schema'),
  relations as (
    select c.oid, nspname, relname, relkind, relowner, case relkind when 'S' then 'sequence' else 'table' end as kind
    from pg_class c join schemas s on s.oid = relnamespace
    where relkind in ('r', 'p', 'v', 'm', 'f', 'S') and relowner in (select oid from mine))
  select format('grant usage on schema %I to %I', nspname, $3::text) as statement
  from schemas where nspowner in (select oid from mine) and not has_schema_privilege($3, oid, 'usage')
  union all
  select format('grant all on schema %I to %I', nspname, $2::text)
  from schemas where nspowner in (select oid from mine) and not has_schema_privilege($2, oid, 'usage, create')
  union all
  select format('grant select on %s %I.%I to %I', kind, nspname, relname, $3)
  from relations where case relkind when 'S' then not has_sequence_privilege($3, oid, 'select')
    else not has_table_privilege($3, oid, 'select') end
  union all
  select format('grant all on %s %I.%I to %I', kind, nspname, relname, $2)
  from relations where relowner <> $2::regrole and case relkind when 'S' then not has_sequence_privilege($2, oid, 'update')
    else not has_table_privilege($2, oid, 'delete') end
  union all
  select format('grant execute on routine %s to %I', p.oid::regprocedure, $2)
  from pg_proc p join schemas s on s.oid = pronamespace
  where proowner in (select oid from mine) and not has_function_privilege($2, p.oid, 'execute')`;
