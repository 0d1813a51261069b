import type pg from 'pg';

interface Sequence {
  name: string;
  value: string;
  called: boolean;
}

/** Has every sequence of the copy go on exactly where that of the database it was copied from is, used or not. */
export async function carrySequences(from: pg.Client, copy: pg.Client): Promise<void> {
  const { rows } = await from.query<{ name: string }>(SEQUENCES);
  const found: Sequence[] = [];
  for (let at = 0; at < rows.length; at += AT_ONCE) {
    const some = rows.slice(at, at + AT_ONCE).map(({ name }) => stateOf(name));
    found.push(...(await from.query<Sequence>(some.join(' union all '))).rows);
  }
  await copy.query(
    `select setval(name::regclass, value, called) from unnest($1::text[], $2::bigint[], $3::bool[]) as t (name, value, called)`,
    [found.map(({ name }) => name), found.map(({ value }) => value), found.map(({ called }) => called)],
  );
}

/** A query takes a lock on each of them. */
const AT_ONCE = 50;

const SEQUENCES = `
  select format('%I.%I', nspname, relname) as name from pg_class c join pg_namespace n on n.oid = relnamespace
  where relkind = 'S' and relpersistence <> 't' and nspname !~ '^pg_' order by 1`;

const stateOf = (name: string) =>
  `select '${name.replaceAll("'", "''")}' as name, last_value::text as value, is_called as called from ${name}`;
