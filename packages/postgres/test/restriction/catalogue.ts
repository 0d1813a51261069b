import type { Tenant } from './tenant.js';

const acl = (column: string, kind: string, owner: string) => `(
  select coalesce(string_agg(concat_ws(' ', coalesce(grantee::regrole::text, ''), privilege_type, is_grantable, grantor::regrole), ', '
    order by grantee, privilege_type, is_grantable, grantor), 'none')
  from aclexplode(coalesce(${column}, acldefault('${kind}', ${owner}))))`;

/** Owners, rights, policies and who depends on what, each as one comparable line; `null` rights are written as the default ones. */
const CATALOGUE = `
  select 'relation', c.oid::regclass::text, relowner::regrole::text, case relkind when 'S' then ${acl('relacl', 's', 'relowner')} else ${acl('relacl', 'r', 'relowner')} end
  from pg_class c where relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
  union all select 'column', attrelid::regclass::text || attnum, '', ${acl('attacl', 'c', '10')} from pg_attribute where attacl is not null
  union all select 'schema', nspname, nspowner::regrole::text, ${acl('nspacl', 'n', 'nspowner')} from pg_namespace
  union all select 'function', oid::regprocedure::text, proowner::regrole::text, ${acl('proacl', 'f', 'proowner')} from pg_proc where proacl is not null or oid >= 16384
  union all select 'type', oid::regtype::text, typowner::regrole::text, ${acl('typacl', 'T', 'typowner')} from pg_type where typnamespace::regnamespace::text !~ '^(pg_|information_schema)'
  union all select 'large object', oid::text, lomowner::regrole::text, ${acl('lomacl', 'L', 'lomowner')} from pg_largeobject_metadata
  union all select 'database', datname, datdba::regrole::text, ${acl('datacl', 'd', 'datdba')} from pg_database where datname = current_database()
  union all select 'default', concat(defaclrole::regrole, ' ', defaclnamespace, ' ', defaclobjtype), '', (select string_agg(x::text, ',' order by x::text) from unnest(defaclacl) x) from pg_default_acl
  union all select 'policy', polname || ' ' || polrelid::regclass, concat(polpermissive, polcmd),
    concat((select string_agg(r::text, ',' order by r) from unnest(polroles) r), pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) from pg_policy
  union all select 'row security', oid::regclass::text, '', concat(relrowsecurity, relforcerowsecurity) from pg_class where relrowsecurity
  union all select 'event trigger', evtname, '', evtenabled::text from pg_event_trigger
  union all select 'initial', concat(classoid::regclass, objoid), '', initprivs::text from pg_init_privs where privtype = 'i' and objoid in (select oid from pg_proc where proname ~ '^lo|emit')
  union all select 'depends', concat(deptype, ' ', pg_describe_object(classid, objid, objsubid)), refobjid::regrole::text, '' from pg_shdepend
    where dbid = (select oid from pg_database where datname = current_database()) and refclassid = 'pg_authid'::regclass
  union all select 'extension', (select string_agg(pg_describe_object(classid, objid, 0), ', ' order by classid, objid) from pg_depend where deptype = 'e'), '', ''
  order by 1, 2, 3, 4`;

/** The whole of a tenant's catalogue that a restriction changes and has to put back. */
export async function catalogue(tenant: Tenant): Promise<string[]> {
  const { rows } = await tenant.superuser(CATALOGUE);
  return rows.map((row) => Object.values(row).join(' | '));
}

/** What is in all tables, sequences and large objects. */
export async function content(tenant: Tenant): Promise<unknown> {
  const { rows } = await tenant.superuser(`
    select format('%I.%I', nspname, relname) as name, relkind from pg_class c join pg_namespace n on n.oid = relnamespace
    where relkind in ('r', 'S', 'm') and nspname !~ '^(pg_|information_schema)' order by 1`);
  const sequence = (name: string) => `select '${name}', concat(last_value, is_called) from ${name}`;
  const parts = rows.map(({ name, relkind }) =>
    relkind === 'S'
      ? sequence(name)
      : `select '${name}', (select md5(coalesce(string_agg(x::text, ',' order by x::text), '')) from ${name} x)`,
  );
  const objects = `select 'large objects', (select md5(string_agg(concat(loid, pageno, data), ',' order by loid, pageno)) from pg_largeobject)`;
  return (await tenant.superuser([...parts, objects].join(' union all '))).rows;
}
