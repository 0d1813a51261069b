import type pg from 'pg';
import { runPlanned } from '../access/sql.js';

/** What belongs to whom, and who has which rights on it, in words that both servers understand. */
interface Ownership {
  /** The owner of `table s.t`, of every object that a superuser does not own and that is no part of another. */
  owners: Map<string, string>;
  /** `grant SELECT on table s.t to r`, each with its reverse. */
  grants: Map<string, string>;
}

/**
 * Gives everything in the next server's database the owner and the rights that it has in the old one's; returns what differs even then,
 * a sentence each. Both clients are connected to the same database of their server.
 */
export async function copyOwnership(old: pg.Client, next: pg.Client): Promise<string[]> {
  const wanted = await readOwnership(old);
  await runAll(next, ownersBehind(wanted, await readOwnership(next)));
  await runAll(next, grantsBehind(wanted, await readOwnership(next)));
  const reached = await readOwnership(next);
  const left = [...ownersBehind(wanted, reached), ...grantsBehind(wanted, reached)];
  return left.map((statement) => `The owner or a right could not be carried over: ${statement}.`);
}

async function runAll(client: pg.Client, statements: readonly string[]): Promise<void> {
  if (statements.length > 0) await runPlanned(client, 'select unnest($1::text[]) as statement', [statements]);
}

function ownersBehind(wanted: Ownership, found: Ownership): string[] {
  return [...wanted.owners]
    .filter(([object, owner]) => found.owners.get(object) !== owner)
    .map(([object, owner]) => `alter ${object} owner to ${owner}`);
}

function grantsBehind(wanted: Ownership, found: Ownership): string[] {
  const excess = [...found.grants].filter(([grant]) => !wanted.grants.has(grant)).map(([, revoke]) => revoke);
  return [...excess, ...[...wanted.grants.keys()].filter((grant) => !found.grants.has(grant))];
}

async function readOwnership(client: pg.Client): Promise<Ownership> {
  const owners = await client.query<{ object: string; owner: string }>(OWNERS);
  const grants = await client.query<{ give: string; take: string }>(GRANTS);
  return {
    owners: new Map(owners.rows.map(({ object, owner }) => [object, owner])),
    grants: new Map(grants.rows.map(({ give, take }) => [give, take])),
  };
}

const OBJECTS = `
  with schemas as (
    select oid, nspowner, nspacl from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'),
  every (class, oid, owner, word, acl) as (
    select 'pg_namespace'::regclass, oid, nspowner, 'schema', coalesce(nspacl, acldefault('n', nspowner)) from schemas
    union all
    select 'pg_class', oid, relowner, case relkind when 'S' then 'sequence' else 'table' end,
      coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner))
    from pg_class where relnamespace in (select oid from schemas) and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select 'pg_proc', oid, proowner, 'routine', coalesce(proacl, acldefault('f', proowner))
    from pg_proc where pronamespace in (select oid from schemas)
    union all
    select 'pg_type', t.oid, typowner, 'type', coalesce(typacl, acldefault('T', typowner))
    from pg_type t left join pg_class c on c.oid = typrelid
    where typnamespace in (select oid from schemas) and (typtype in ('d', 'e', 'r') or relkind = 'c')
    union all select 'pg_collation', oid, collowner, null, null from pg_collation where collnamespace in (select oid from schemas)
    union all select 'pg_conversion', oid, conowner, null, null from pg_conversion where connamespace in (select oid from schemas)
    union all select 'pg_operator', oid, oprowner, null, null from pg_operator where oprnamespace in (select oid from schemas)
    union all select 'pg_ts_config', oid, cfgowner, null, null from pg_ts_config where cfgnamespace in (select oid from schemas)
    union all select 'pg_ts_dict', oid, dictowner, null, null from pg_ts_dict where dictnamespace in (select oid from schemas)
    union all select 'pg_statistic_ext', oid, stxowner, null, null from pg_statistic_ext where stxnamespace in (select oid from schemas)
    union all select 'pg_publication', oid, pubowner, null, null from pg_publication),
  objects as (
    select every.*, case i.type when 'statistics object' then 'statistics' else i.type end as type, i.identity
    from every, pg_identify_object(class, oid, 0) i
    where not exists (select from pg_depend d where d.classid = class and d.objid = every.oid and deptype = 'e'))`;

// The sequence of a column follows its table.
const OWNERS = `${OBJECTS}
  select type || ' ' || identity as object, quote_ident(rolname) as owner
  from objects o join pg_roles r on r.oid = owner
  where not rolsuper and not exists (
    select from pg_depend d where o.class = 'pg_class'::regclass and o.word = 'sequence' and d.classid = o.class and d.objid = o.oid
      and d.refclassid = 'pg_class'::regclass and deptype in ('a', 'i'))`;

// MAINTAIN is new with major 17, and there a part of what a dump calls ALL.
const GRANTS = `${OBJECTS},
  held (word, identity, place, privilege, grantee, grantable) as (
    select word, identity, '', privilege_type, grantee, is_grantable from objects, aclexplode(acl)
    union all
    select word, identity, format(' (%I)', attname), privilege_type, grantee, is_grantable
    from objects join pg_attribute on attrelid = oid, aclexplode(attacl)
    where class = 'pg_class'::regclass and attacl is not null and not attisdropped)
  select format('grant %s%s on %s %s to %s%s', privilege, place, word, identity, holder, case when grantable then ' with grant option' end) as give,
    format('revoke %s%s on %s %s from %s cascade', privilege, place, word, identity, holder) as take
  from held left join pg_roles r on r.oid = grantee, lateral (
    select case grantee when 0 then 'public' else quote_ident(rolname) end as holder) named
  where privilege <> 'MAINTAIN' and holder is not null and not coalesce(rolsuper, false)`;
