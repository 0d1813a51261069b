import type pg from 'pg';
import { withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';

/**
 * What in a database cannot be brought to another major, a sentence each that says what to do; empty when nothing is known to stand in the
 * way. Reads catalogues only. What the next major itself does not take is found by `copySchema`, and reads as its own error.
 */
export async function findNotCarried(spec: ServerSpec, database: string): Promise<string[]> {
  return withConnection(spec, database, async (client) => {
    const found: string[] = [];
    for (const query of [INCOMPARABLE, ENUM_HASHES, MADE_BY_SUPERUSERS, SUBSCRIPTIONS, PREPARED])
      found.push(...(await sentencesOf(client, query)));
    return found;
  });
}

async function sentencesOf(client: pg.Client, query: string): Promise<string[]> {
  const { rows } = await client.query<{ sentence: string }>(query);
  return rows.map(({ sentence }) => sentence);
}

const OWN = `nspname !~ '^pg_' and nspname <> 'information_schema'`;
const NOT_OF_EXTENSION = (catalogue: string, oid: string) =>
  `not exists (select from pg_depend d where d.classid = '${catalogue}'::regclass and d.objid = ${oid} and d.deptype = 'e')`;

/** Rows without a key are found by all their values, which must be comparable then. A type's own default equality is what PostgreSQL asks for. */
const INCOMPARABLE = `
  with recursive base (oid, type) as (
    select oid, oid from pg_type where typtype <> 'd'
    union all
    select t.oid, b.type from pg_type t join base b on b.oid = t.typbasetype where t.typtype = 'd'),
  comparable as (
    select opcintype from pg_opclass join pg_am am on am.oid = opcmethod where opcdefault and amname in ('btree', 'hash'))
  select format('The table %I.%I has no primary key and the column %I of the type %s, whose values cannot be compared; add a primary key.',
    nspname, relname, attname, format_type(atttypid, atttypmod)) as sentence
  from pg_class c join pg_namespace n on n.oid = relnamespace join pg_attribute a on attrelid = c.oid
    join base b on b.oid = atttypid join pg_type t on t.oid = b.type
  where relkind = 'r' and relpersistence = 'p' and ${OWN} and attnum > 0 and not attisdropped and attgenerated = ''
    and not exists (
      select from pg_index where indrelid = c.oid and indisvalid and indimmediate
        and (indisprimary and relreplident = 'd' or indisreplident and relreplident = 'i'))
    and case when t.typelem <> 0 and t.typlen = -1 and t.typcategory = 'A' then t.typelem else t.oid end not in (select opcintype from comparable)
    and t.typtype not in ('e', 'r', 'm', 'c') and not exists (
      select from pg_cast join comparable on opcintype = casttarget
      where castsource = case when t.typcategory = 'A' then t.typelem else t.oid end and castmethod = 'b' and castcontext = 'i')
  order by 1`;

/** An enum's values have other numbers in another server, and belong into other partitions there. */
const ENUM_HASHES = `
  select format('The table %I.%I is partitioned by a hash of the enum column %I, which differs in another server; partition it by list.',
    nspname, relname, attname) as sentence
  from pg_partitioned_table p join pg_class c on c.oid = partrelid join pg_namespace n on n.oid = relnamespace
    join pg_attribute a on attrelid = partrelid and attnum = any (partattrs::int2[]) join pg_type t on t.oid = atttypid
  where partstrat = 'h' and typtype = 'e' order by 1`;

const MADE_BY_SUPERUSERS = `
  select format('The %s %s was made by a superuser and cannot be made again by anybody else; drop it.', i.type, i.identity) as sentence
  from (
    select 'pg_proc'::regclass as class, p.oid from pg_proc p join pg_namespace n on n.oid = pronamespace
      join pg_language l on l.oid = prolang
    where ${OWN} and not lanpltrusted and prokind <> 'a' and proowner in (select oid from pg_roles where rolsuper)
      and ${NOT_OF_EXTENSION('pg_proc', 'p.oid')}
    union all
    select 'pg_foreign_server', oid from pg_foreign_server
    union all
    select 'pg_event_trigger', oid from pg_event_trigger where ${NOT_OF_EXTENSION('pg_event_trigger', 'pg_event_trigger.oid')}
    union all
    select 'pg_class', c.oid from pg_class c join pg_namespace n on n.oid = relnamespace where reltablespace <> 0 and ${OWN}) made,
    pg_identify_object(class, oid, 0) i
  order by 1`;

const SUBSCRIPTIONS = `
  select format('The subscription %I cannot be carried over; drop it.', subname) as sentence from pg_subscription
  where subdbid = (select oid from pg_database where datname = current_database()) and subname !~ '^borealis_' order by 1`;

const PREPARED = `
  select format('The prepared transaction %L is open; commit it or roll it back.', gid) as sentence from pg_prepared_xacts
  where database = current_database() order by 1`;
