import type pg from 'pg';
import { inTransaction } from '../access/sql.js';
import type { DatabaseAccess } from '../access/wanted.js';
import { LOCK_ROLE, objectsWith } from './objects.js';
import { type SavedObject, saveObjects } from './saved-state.js';
import { endingBlockers } from './sessions.js';

/** So many are planned at once, and so many locked in one transaction: readers wait for no more than these. */
const PLANNED = 5_000;
const BATCH = 100;

interface Planned extends SavedObject {
  statement: string;
}

/**
 * Saves and locks every relation and schema that somebody could still write to. Only to be called while definitions are refused,
 * so that nothing changes between the two.
 */
export async function lockObjects(
  service: pg.Client,
  client: pg.Client,
  database: DatabaseAccess,
  oid: number,
): Promise<void> {
  const seen = new Set<string>();
  for (;;) {
    const { rows } = await client.query<Planned>(OPEN_OBJECTS, [LOCK_ROLE, database.owner, database.readersGroup]);
    const again = rows.find(({ kind, object }) => seen.has(`${kind} ${object}`));
    if (again) throw new Error(`BUG: locking ${again.kind} ${again.object} leaves it open`);
    for (const { kind, object } of rows) seen.add(`${kind} ${object}`);
    for (let start = 0; start < rows.length; start += BATCH)
      await lockBatch(service, client, oid, rows.slice(start, start + BATCH));
    if (rows.length < PLANNED) return;
  }
}

async function lockBatch(service: pg.Client, client: pg.Client, oid: number, batch: Planned[]): Promise<void> {
  await saveObjects(
    service,
    oid,
    batch.map(({ statement, ...saved }) => saved),
  );
  await inOneLock(
    service,
    client,
    batch.map(({ statement }) => statement),
  );
}

/** Runs statements that lock tables in one transaction, past whoever holds them. */
export async function inOneLock(service: pg.Client, client: pg.Client, statements: string[]): Promise<void> {
  if (statements.length === 0) return;
  await endingBlockers(service, client, () =>
    inTransaction(client, async () => {
      // Should it come to a deadlock with a reader, he notices first and ends.
      await client.query(`set local deadlock_timeout = '1min'`);
      await client.query(statements.join(';\n'));
    }),
  );
}

/**
 * What is still open, with its state and the statements that lock it; tables before sequences, whose owner follows the table's.
 * Owning a table or a schema allows to rebuild and copy it (REINDEX, CLUSTER, VACUUM FULL), so these change hands; views, whose
 * owner decides what they may read, and functions do not. Whoever was the owner was above row security unless
 * the table forces it, so he gets a policy that lets him read all, and is taken out of those that would take rows from him.
 */
const OPEN_OBJECTS = `${objectsWith()},
  summaries as (
    select kind, r.oid, jsonb_agg(jsonb_build_object('attnum', attnum, 'grantee', grantee::int8, 'grantor', grantor::int8,
        'privilege', privilege, 'grantable', grantable)) as rights,
      string_agg(distinct case when grantee = 0 then 'public' else h.oid::regrole::text end, ', ') as holders,
      bool_or((grantee = 0 or h.oid is not null) and privilege <> case kind when 'schema' then 'USAGE' else 'SELECT' end) as writable
    from rights r left join pg_roles h on h.oid = grantee and not rolsuper group by kind, r.oid),
  open as (
    select o.*, relkind in ('r', 'p', 'm', 'n') and owner <> $1::text::regrole and owner in (select oid from pg_roles where not rolsuper) as moves
    from objects o),
  policies as (
    select o.oid, 'owner_reads_' || md5(coalesce(string_agg(polname, ',' order by polname), '')) as made,
      coalesce(jsonb_agg(jsonb_build_object('name', polname, 'roles', to_jsonb(polroles::int8[])))
        filter (where not polpermissive and polcmd in ('r', '*')), '[]') as restrictive,
      string_agg(format('alter policy %I on %s to %s', polname, place, coalesce(case
        when 0 = any (polroles) then concat_ws(', ', quote_ident($3::text), case when owner <> $2::text::regrole then quote_ident($2::text) end)
        else (select string_agg(role::regrole::text, ', ') from unnest(polroles) as role where not pg_has_role(role, owner, 'usage'))
        end, quote_ident($1::text))), '; ') filter (where not polpermissive and polcmd in ('r', '*')) as changes
    from open o left join pg_policy p on polrelid = o.oid
    where moves and owner_bypasses group by o.oid)
  select kind, oid::int8::float8 as object, owner::int8::float8 as owner,
    case when made is not null then jsonb_build_object('made', made, 'restrictive', restrictive) end as policies,
    coalesce(rights, '[]') as rights,
    concat_ws('; ',
      case when made is not null then format('create policy %I on %s for select to %s using (true)', made, place, owner::regrole) end,
      changes,
      case when moves then format('alter %s owner to %I', target, $1::text) end,
      format('revoke %s on %s from %s cascade', writes, target, concat_ws(', ', quote_ident($1::text), holders)),
      format('grant %s on %s to %I', reads, target, $2::text)) as statement
  from open o left join policies p using (oid) left join summaries using (kind, oid)
  where moves or writable
  order by relkind = 'S', kind, oid limit ${PLANNED}`;
