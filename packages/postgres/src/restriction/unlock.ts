import type pg from 'pg';
import { inTransaction } from '../access/sql.js';
import type { DatabaseAccess } from '../access/wanted.js';
import { inOneLock } from './lock.js';
import { LOCK_ROLE, objectsWith } from './objects.js';
import { readObjects, type SavedObject } from './saved-state.js';

/** Gives every saved object its owner, policies and rights back. What was dropped since is passed over. */
export async function unlockObjects(
  service: pg.Client,
  client: pg.Client,
  database: DatabaseAccess,
  oid: number,
): Promise<void> {
  // First all owners: the sequences of a table follow it, and may stand on a later page.
  for await (const page of readObjects(service, oid)) await returnOwners(service, client, database, page);
  for await (const page of readObjects(service, oid)) await returnRights(client, page);
}

async function returnOwners(
  service: pg.Client,
  client: pg.Client,
  { owner }: DatabaseAccess,
  page: SavedObject[],
): Promise<void> {
  const values = [JSON.stringify(page), LOCK_ROLE, owner, page.map(({ object }) => object)];
  const { rows } = await client.query<{ statement: string }>(LOCKED_OBJECTS, values);
  await inOneLock(
    service,
    client,
    rows.map(({ statement }) => statement),
  );
}

/** In rounds: who had passed a right on to others gets it before they do. */
async function returnRights(client: pg.Client, page: SavedObject[]): Promise<void> {
  const values = [JSON.stringify(page), LOCK_ROLE, page.map(({ object }) => object)];
  await inTransaction(client, async () => {
    // Grants of other grantors are made as these, whom definitions are still refused.
    await client.query('set local session_replication_role = replica');
    let last = '';
    for (;;) {
      const { rows } = await client.query<{ statement: string }>(MISSING_RIGHTS, values);
      const round = rows.map(({ statement }) => statement).join(';\n');
      // What a round did not bring back, no further one does: its grantor may not pass it on any more.
      if (round === last) return;
      await client.query(round);
      last = round;
    }
  });
}

/** What belonged to a role that is gone belongs to the database's owner, as all that such roles leave. */
const LOCKED_OBJECTS = `${objectsWith('and c.oid = any ($4::oid[])')},
  saved as (select * from jsonb_to_recordset($1) as s (kind text, object oid, owner oid, policies jsonb)),
  restrictive as (
    select object, string_agg(format('alter policy %I on %s to %s', polname, place, existing.roles), '; ') as changes
    from saved s join objects o on o.kind = s.kind and o.oid = object
      cross join jsonb_to_recordset(policies -> 'restrictive') as r (name text, roles jsonb)
      join pg_policy on polname = r.name,
      lateral (
        select string_agg(case role when '0' then 'public' else role::oid::regrole::text end, ', ') as roles
        from jsonb_array_elements_text(r.roles) as role
        where role = '0' or role::oid in (select oid from pg_roles)) existing
    where polrelid = object and existing.roles is not null group by object)
  select concat_ws('; ', format('alter %s owner to %s', target, coalesce(r.oid, $3::text::regrole)::regrole),
    'drop policy if exists ' || quote_ident(policies ->> 'made') || ' on ' || place, changes) as statement
  from saved s join objects o on o.kind = s.kind and o.oid = object left join pg_roles r on r.oid = s.owner
    left join restrictive using (object)
  where o.owner = $2::text::regrole and o.relkind <> 'S'
  order by o.oid`;

// Where a grantor can no longer enter the schema, the grant is the owner's.
const MISSING_RIGHTS = `${objectsWith('and c.oid = any ($3::oid[])')},
  saved as (select * from jsonb_to_recordset($1) as s (kind text, object oid, owner oid, rights jsonb)),
  roles as (select 0::oid as oid, 'public' as name union all select oid, oid::regrole::text from pg_roles),
  wanted as (
    select o.*, attnum, grantor.oid as grantor, grantor.name as grantor_name, grantee.oid as grantee, grantee.name, privilege, grantable
    from saved s join objects o on o.kind = s.kind and o.oid = object
      cross join jsonb_to_recordset(rights) as r (attnum int, grantor oid, grantee oid, privilege text, grantable bool)
      left join pg_roles former on former.oid = s.owner
      join roles grantor on grantor.oid = case when r.grantor in (s.owner, $2::text::regrole) then o.owner else r.grantor end
      join roles grantee on grantee.oid = case
        when r.grantee = $2::text::regrole or (r.grantee = s.owner and former.oid is null) then o.owner else r.grantee end),
  missing as (
    select * from wanted where (kind, oid, attnum, grantee, privilege, grantable) not in (
      select kind, oid, attnum::int, grantee, privilege, unnest(array[false, grantable]) from rights)),
  ready as (
    select *, case when grantor <> owner then grantor_name end as as_role from missing w
    where grantor = owner or exists (
      select from rights r where (r.kind, r.oid, r.attnum, r.grantee, r.privilege) = (w.kind, w.oid, w.attnum, w.grantor, w.privilege)
        and r.grantable))
  select case when as_role is null then statement else format('do %L', format(
      'begin execute %L; exception when insufficient_privilege then execute %L; end',
      format('set local role %s; %s; reset role', as_role, statement), statement)) end as statement
  from (
    select as_role, format('grant %s on %s to %s%s', string_agg(privilege || columns, ', ' order by privilege, columns), target, name,
      case when grantable then ' with grant option' else '' end) as statement
    from ready, lateral (
      select coalesce(' (' || quote_ident((select attname from pg_attribute where attrelid = ready.oid and attnum = ready.attnum)) || ')', '') as columns
    ) as of
    group by target, name, grantable, as_role
    order by target, name, grantable, as_role) grants`;
