import type pg from 'pg';
import { runPlanned } from '../access/sql.js';

/**
 * Removes from a copy what would keep rows from being applied as they are: triggers that fire then, too (what they did comes by itself),
 * row security that holds for a table's owner, and rights that the owner does not have.
 */
export async function openToApply(copy: pg.Client): Promise<void> {
  await runPlanned(
    copy,
    `select format('alter table only %s disable trigger %I', place, name) as statement from (${FIRING}) firing`,
    [],
  );
  await runPlanned(
    copy,
    `select format('alter table %s no force row level security', place) as statement from (${FORCED}) forced`,
    [],
  );
  await runPlanned(copy, RIGHTS_OF_OWNERS, []);
}

/** Makes triggers and row security of the copy what they are in the database that was copied; rights are `copyOwnership`'s. */
export async function closeAfterApply(from: pg.Client, copy: pg.Client): Promise<void> {
  const found = new Set((await copy.query<{ state: string }>(TRIGGERS)).rows.map(({ state }) => state));
  const wanted = (await from.query<{ state: string }>(TRIGGERS)).rows.map(({ state }) => state);
  const forced = (await from.query<{ place: string }>(FORCED)).rows;
  await runPlanned(copy, 'select unnest($1::text[]) as statement', [
    [
      ...wanted.filter((state) => !found.has(state)),
      ...forced.map(({ place }) => `alter table ${place} force row level security`),
    ],
  ]);
}

const TABLES = `
  select c.*, format('%I.%I', nspname, relname) as place from pg_class c join pg_namespace n on n.oid = relnamespace
  where nspname !~ '^pg_' and nspname <> 'information_schema'`;

const FIRING = `
  select place, tgname as name from pg_trigger join (${TABLES}) t on t.oid = tgrelid where not tgisinternal and tgenabled in ('A', 'R')`;

/** How each is made what it is. */
const TRIGGERS = `
  select format('alter table only %s %s trigger %I', place, case tgenabled when 'O' then 'enable' when 'D' then 'disable'
    when 'A' then 'enable always' else 'enable replica' end, tgname) as state
  from pg_trigger join (${TABLES}) t on t.oid = tgrelid where not tgisinternal`;

const FORCED = `select place from (${TABLES}) t where relforcerowsecurity`;

const RIGHTS_OF_OWNERS = `
  select format('grant select, insert, update, delete, truncate on table %s to %I', place, rolname) as statement
  from (${TABLES}) t join pg_roles r on r.oid = relowner
  where relkind in ('r', 'p') and relacl is not null and not rolsuper
  union all
  select format('grant usage on schema %I to %I', nspname, rolname) from pg_namespace join pg_roles r on r.oid = nspowner
  where nspname !~ '^pg_' and nspname <> 'information_schema' and nspacl is not null and not rolsuper`;
