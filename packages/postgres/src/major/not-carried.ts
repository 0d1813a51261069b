import type pg from 'pg';

/** What a database has and a server of another major would not get, a sentence each. */
export async function notCarried(client: pg.Client): Promise<string[]> {
  const unlogged = await client.query<{ name: string }>(UNLOGGED);
  const { rowCount } = await client.query('select from pg_largeobject_metadata limit 1');
  return [
    ...unlogged.rows.map(
      ({ name }) => `The rows of the unlogged table ${name} cannot be carried over: make it logged, or drop it.`,
    ),
    ...(rowCount
      ? ['Large objects cannot be carried over: move them into columns of type bytea, and remove them.']
      : []),
  ];
}

const UNLOGGED = `
  select format('%I.%I', nspname, relname) as name from pg_class c join pg_namespace n on n.oid = relnamespace
  where relkind = 'r' and relpersistence = 'u' order by 1`;
