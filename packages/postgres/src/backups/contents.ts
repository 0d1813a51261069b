import type pg from 'pg';
import { notOfExtension, OWN } from './own-objects.js';
import { type Rights, readRights } from './rights.js';
import { atRest, readSequences, type Sequences } from './sequences.js';

/** What a database holds, in a form by which a restored one can be compared with it. */
export interface Contents {
  /** By qualified name; rows count in whatever order they lie. */
  tables: Record<string, { rows: number; checksum: string }>;
  largeObjects: { rows: number; checksum: string };
  /** Where the sequences stand that stood still meanwhile; left out in what was written down before they were read. */
  sequences?: Record<string, string>;
  /** How many there are of what else a dump carries: `index`, `function`, … */
  objects: Record<string, number>;
  /** Left out in what was written down before they were read. */
  rights?: Rights;
}

/** A value is written alike wherever it is read, whatever the database's own settings say. */
const ALIKE = `
  set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres'; set local timezone = 'UTC';
  set local bytea_output = 'hex'; set local extra_float_digits = 3; set local xmlbinary = 'base64';
  set local lc_monetary = 'C'; set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0;`;

/** A tenant may put a view in the place of a table meanwhile, and what it calls must not run as us. */
const NO_VIEWS = `
  select set_config(name, 'view, foreign-table', true) from pg_settings where name = 'restrict_nonsystem_relation_kind'`;

const LOCKED_AT_ONCE = 500;
const ATTEMPTS = 5;

/** A moment of a database that stays readable for as long as the session that it was taken in. */
export interface Snapshot {
  /** What `pg_dump --snapshot` takes. */
  id: string;
  /** ISO 8601 in UTC, to the microsecond. */
  takenAt: string;
  tables: readonly string[];
  /** As they stood then: the snapshot does not hold them. */
  sequences: Sequences;
}

/**
 * Begins a transaction that reads one moment of the database and holds all its tables against changes of their form. Throws when a
 * table stays locked by somebody else for the session's `lock_timeout`.
 */
export async function takeSnapshot(client: pg.Client): Promise<Snapshot> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptSnapshot(client);
    } catch (error) {
      await client.query('rollback');
      // Dropped between the list and the lock.
      if ((error as { code?: string }).code !== '42P01' || attempt === ATTEMPTS) throw error;
    }
  }
}

async function attemptSnapshot(client: pg.Client): Promise<Snapshot> {
  await client.query('begin isolation level repeatable read read only');
  await client.query(ALIKE);
  await client.query(NO_VIEWS);
  const { rows } = await client.query<{ name: string }>(TABLES);
  const tables = rows.map(({ name }) => name);
  for (let at = 0; at < tables.length; at += LOCKED_AT_ONCE) {
    const some = tables.slice(at, at + LOCKED_AT_ONCE).map((name) => `only ${name}`);
    await client.query(`lock table ${some.join(', ')} in access share mode`);
  }
  const taken = await client.query<{ id: string; at: string }>(
    `select pg_export_snapshot() as id, to_char(transaction_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`,
  );
  const found = await client.query<{ name: string }>(SEQUENCES);
  const names = found.rows.map(({ name }) => name);
  return { id: taken.rows[0]!.id, takenAt: taken.rows[0]!.at, tables, sequences: await readSequences(client, names) };
}

/** Reads all of it, within the transaction of `takeSnapshot`. Nothing that a tenant defined is called. */
export async function readContents(client: pg.Client, { tables, sequences }: Snapshot): Promise<Contents> {
  const found: Contents['tables'] = {};
  for (const table of tables) found[table] = await readRows(client, tableQuery(table));
  return {
    tables: found,
    largeObjects: await readRows(client, LARGE_OBJECTS),
    objects: await readObjects(client),
    rights: await readRights(client),
    sequences: atRest(sequences, await readSequences(client, [...sequences.keys()])),
  };
}

async function readRows(client: pg.Client, query: string): Promise<{ rows: number; checksum: string }> {
  const { rows } = await client.query<{ rows: string; checksum: string }>(query);
  return { rows: Number(rows[0]!.rows), checksum: rows[0]!.checksum };
}

async function readObjects(client: pg.Client): Promise<Record<string, number>> {
  const { rows } = await client.query<{ kind: string; count: string }>(OBJECTS);
  return Object.fromEntries(rows.map(({ kind, count }) => [kind, Number(count)]));
}

const relations = (kind: string) => `
  select format('%I.%I', nspname, relname) as name
  from pg_class c join pg_namespace n on n.oid = relnamespace
  where relkind = '${kind}' and ${OWN} and ${notOfExtension('pg_class', 'c.oid')}
  order by nspname collate "C", relname collate "C"`;
const TABLES = relations('r');
const SEQUENCES = relations('S');

// By PostgreSQL's own output functions only: a cast of a row to text may be one that its owner has made. `r.*`, since a column may be called r.
const tableQuery = (table: string) => `
  select count(*) as rows, coalesce(sum(hashtextextended(textin(record_out(r.*)), 0)), 0)::text as checksum from only ${table} r`;

// Zeros at the ends of a page are as good as none: a restored object has them where the first had a hole.
const LARGE_OBJECTS = `
  select (select count(*) from pg_largeobject_metadata) as rows, coalesce(sum(hashtextextended(
    loid::text || '/' || pageno || '/' || encode(btrim(data, '\\x00'), 'hex'), 0)) filter (where btrim(data, '\\x00') <> ''), 0)::text as checksum
  from pg_largeobject`;

const OBJECTS = `
  with relation as (
    select c.oid, relkind::text from pg_class c join pg_namespace n on n.oid = relnamespace
    where ${OWN} and ${notOfExtension('pg_class', 'c.oid')})
  select coalesce(kind, relkind) as kind, count(*) from relation
    join (values ('r', 'table'), ('p', 'partitioned table'), ('v', 'view'), ('m', 'materialized view'), ('S', 'sequence'))
      as kinds (letter, kind) on letter = relkind group by 1
  union all
  select 'index', count(*) from pg_index join relation on indrelid = oid where indisvalid and relkind in ('r', 'p', 'm')
  union all
  select 'foreign key', count(*) from pg_constraint c join relation r on conrelid = r.oid where contype = 'f' and conparentid = 0
  union all
  select 'trigger', count(*) from pg_trigger t join relation r on tgrelid = r.oid where not tgisinternal and tgparentid = 0
  union all
  select 'policy', count(*) from pg_policy join relation r on polrelid = r.oid
  union all
  select 'function', count(*) from pg_proc p join pg_namespace n on n.oid = pronamespace
  where ${OWN} and ${notOfExtension('pg_proc', 'p.oid')}`;
