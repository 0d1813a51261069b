import type pg from 'pg';
import { inTransaction, runPlanned } from '../access/sql.js';
import type { ServerSpec } from '../server/spec.js';
import { connectAs, ownersIn, withLoader } from './loader.js';

interface Column {
  name: string;
  type: string;
}

interface Table {
  name: string;
  columns: Column[];
}

const ROWS_AT_ONCE = 1000;

/**
 * Copies the rows of unlogged tables, which no log has: as the loader, since what their tenant defined for them runs meanwhile, and with
 * their triggers off, which is for `closeAfterApply` to end.
 */
export async function carryUnlogged(
  from: pg.Client,
  to: pg.Client,
  target: ServerSpec,
  database: string,
): Promise<void> {
  const { rows: tables } = await from.query<Table>(UNLOGGED);
  if (tables.length === 0) return;
  const names = tables.map(({ name }) => name);
  // A trigger did its work where the row was written, and keys were checked there.
  await runPlanned(to, ALL_TRIGGERS, [names, 'disable']);
  await to.query(`truncate only ${names.join(', only ')} cascade`);
  await withLoader(target, database, await ownersIn(to), async (loader) => {
    const client = await connectAs(target, database, loader);
    try {
      for (const table of tables) await inTransaction(from, () => copyRows(from, client, table));
    } finally {
      await client.end();
    }
  });
  await runPlanned(to, ALL_TRIGGERS, [names, 'enable']);
}

async function copyRows(from: pg.Client, to: pg.Client, { name, columns }: Table): Promise<void> {
  // By the types' own output: a cast to text may be one that a tenant has made.
  const read = columns.map(
    (column, at) => `case when ${column.name} is distinct from null then format('%s', ${column.name}) end as c${at}`,
  );
  await from.query(`declare unlogged_rows no scroll cursor for select ${read.join(', ')} from only ${name}`);
  const place = `insert into ${name} (${columns.map((column) => column.name).join(', ')}) overriding system value`;
  const values = columns.map(({ type }, at) => `c${at}::${type}`).join(', ');
  const arrays = columns.map((_, at) => `$${at + 1}::text[]`).join(', ');
  const insert = `${place} select ${values} from unnest(${arrays}) as t (${columns.map((_, at) => `c${at}`).join(', ')})`;
  for (;;) {
    const { rows } = await from.query<Record<string, string | null>>(`fetch ${ROWS_AT_ONCE} from unlogged_rows`);
    if (rows.length === 0) break;
    await to.query(
      insert,
      columns.map((_, at) => rows.map((row) => row[`c${at}`])),
    );
  }
  await from.query('close unlogged_rows');
}

const ALL_TRIGGERS = `select format('alter table only %s %s trigger all', name, $2::text) as statement from unnest($1::text[]) as name`;

const UNLOGGED = `
  select format('%I.%I', nspname, relname) as name,
    jsonb_agg(jsonb_build_object('name', quote_ident(attname), 'type', format_type(atttypid, atttypmod)) order by attnum) as columns
  from pg_class c join pg_namespace n on n.oid = relnamespace join pg_attribute on attrelid = c.oid
  where relkind = 'r' and relpersistence = 'u' and attnum > 0 and not attisdropped and attgenerated = '' group by 1 order by 1`;
