/** Owns what is locked. Nobody can log in as it or be a member of it, and it may itself write nothing. */
export const LOCK_ROLE = 'borealis_restriction';

/** All relations (those that `which` keeps) and schemas that a tenant could write to, and the rights on them: a query's first part. */
export const objectsWith = (which = '') => `
  with schemas as (
    select oid, nspname, nspowner, nspacl from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'),
  objects (kind, oid, relkind, place, target, owner, acl, reads, writes, owner_bypasses) as (
    select 'relation', c.oid, relkind, format('%I.%I', nspname, relname),
      format('%s %I.%I', case relkind when 'S' then 'sequence' else 'table' end, nspname, relname), relowner,
      coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner)), 'SELECT',
      case when relkind = 'S' then 'usage, update'
        when current_setting('server_version_num')::int < 170000 then 'insert, update, delete, truncate, references, trigger'
        else 'insert, update, delete, truncate, references, trigger, maintain' end,
      relrowsecurity and not relforcerowsecurity
    from pg_class c join schemas s on s.oid = relnamespace where relkind in ('r', 'p', 'v', 'm', 'f', 'S') ${which}
    union all
    select 'schema', oid, 'n', quote_ident(nspname), format('schema %I', nspname), nspowner,
      coalesce(nspacl, acldefault('n', nspowner)), 'USAGE', 'create', false
    from schemas),
  rights (kind, oid, attnum, grantor, grantee, privilege, grantable) as (
    select kind, oid, 0, a.* from objects, aclexplode(acl) a
    union all
    select kind, oid, attnum, a.* from objects join pg_attribute on attrelid = oid, aclexplode(attacl) a
    where kind = 'relation' and attacl is not null)`;
