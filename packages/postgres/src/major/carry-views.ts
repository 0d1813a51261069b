import type pg from 'pg';

/**
 * Fills every materialized view of the copy that is filled in the database it was copied from; throws PostgreSQL's error (57014) when one of them
 * takes longer than so many seconds. Views are filled after those that they read.
 */
export async function carryViews(from: pg.Client, copy: pg.Client, seconds: number): Promise<void> {
  const { rows } = await from.query<{ name: string }>(FILLED);
  if (rows.length === 0) return;
  await copy.query(`set statement_timeout = ${seconds * 1000}`);
  for (const { name } of rows) await copy.query(`refresh materialized view ${name}`);
  await copy.query('set statement_timeout = 0');
}

// One that reads another was made after it.
const FILLED = `
  select format('%I.%I', nspname, relname) as name from pg_class c join pg_namespace n on n.oid = relnamespace
  where relkind = 'm' and relispopulated order by c.oid`;
