import pg from 'pg';

const { escapeLiteral } = pg;
const READ_AT_ONCE = 200;

/** Where a sequence stands, and what tells a visit of that place from another one. */
interface Place {
  at: string;
  visit: string;
}

/** By qualified name. */
export type Sequences = ReadonlyMap<string, Place>;

/** Reads where sequences stand now: whatever the session's snapshot, they show the present. They stay readable until the transaction ends. */
export async function readSequences(client: pg.Client, names: readonly string[]): Promise<Sequences> {
  const places = new Map<string, Place>();
  for (let first = 0; first < names.length; first += READ_AT_ONCE) {
    const some = names.slice(first, first + READ_AT_ONCE).map(
      (
        name,
      ) => `select ${escapeLiteral(name)} as name, last_value::text || case when is_called then '' else ' (not used)' end as at,
        log_cnt::text as visit from ${name}`,
    );
    const { rows } = await client.query<{ name: string } & Place>(some.join(' union all '));
    for (const { name, at, visit } of rows) places.set(name, { at, visit });
  }
  return places;
}

/** Where those stand that stood still between two looks: what was read of them in between has to be this. */
export function atRest(before: Sequences, after: Sequences): Record<string, string> {
  const still = [...before].filter(([name, { at, visit }]) => {
    const then = after.get(name);
    return then?.at === at && then.visit === visit;
  });
  return Object.fromEntries(still.map(([name, { at }]) => [name, at]));
}
