import type pg from 'pg';
import type { ServerSpec } from '../server/spec.js';
import { readNotes, setNotes } from './notes.js';

/**
 * Makes every materialized view of the copy filled or empty as it is in the database that was copied, and what it shows at least as new; repeated,
 * it fills only those that were refreshed since. Throws PostgreSQL's error when one cannot be filled, also for the session's time limit.
 */
export async function carryViews(
  from: pg.Client,
  copy: pg.Client,
  target: ServerSpec,
  database: string,
): Promise<void> {
  const wanted = await readViews(from);
  if (wanted.size === 0) return;
  const noted = await readNotes(target, database, 'view');
  for (const [name, isFilled] of await readViews(copy)) {
    const fill = wanted.get(name) ?? false;
    const state = fill ? await stateOf(from, name) : '';
    if (isFilled === fill && (!fill || noted.get(name) === state)) continue;
    await copy.query(`refresh materialized view ${name}${fill ? '' : ' with no data'}`);
    await setNotes(target, database, 'view', new Map([[name, state]]));
  }
}

/** Whether each is filled; one that reads another was made after it. */
async function readViews(client: pg.Client): Promise<Map<string, boolean>> {
  const { rows } = await client.query<{ name: string; filled: boolean }>(
    `select format('%I.%I', nspname, relname) as name, relispopulated as filled
     from pg_class c join pg_namespace n on n.oid = relnamespace where relkind = 'm' order by c.oid`,
  );
  return new Map(rows.map(({ name, filled }) => [name, filled]));
}

/** Another one after every refresh that changed something. */
async function stateOf(client: pg.Client, name: string): Promise<string> {
  const { rows } = await client.query<{ state: string }>(
    `select concat_ws('/', pg_relation_filenode($1::regclass), count(*), sum(xmin::text::int8)) as state from ${name}`,
    [name],
  );
  return rows[0]!.state;
}
