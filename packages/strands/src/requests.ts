import type { AnyKind, Queryable } from './types.js';

/** Makes the strand unless there is one of this id; true when it was made. Commits and rolls back with the caller. */
export async function spawn(db: Queryable, kind: AnyKind, id: string, frame: unknown): Promise<boolean> {
  const { rowCount } = await db.query(
    'insert into strands.strand (id, kind, label, frame) values ($1, $2, $3, $4) on conflict (id) do nothing',
    [id, kind.name, kind.start, JSON.stringify(kind.frame.parse(frame))],
  );
  if (rowCount) await db.query(`select pg_notify('strands', '')`);
  else await expectKind(db, kind, id);
  return rowCount === 1;
}

async function expectKind(db: Queryable, kind: AnyKind, id: string): Promise<void> {
  const { rows } = await db.query('select kind from strands.strand where id = $1', [id]);
  const found = (rows[0] as { kind: string } | undefined)?.kind;
  if (found !== undefined && found !== kind.name) {
    throw new Error(`Strand ${id} is of the kind "${found}", so none of the kind "${kind.name}" can be made.`);
  }
}

/** Raises a signal and wakes the strand; false when there is no such strand. `destroy` also wakes a parked one. */
export async function signal(db: Queryable, id: string, name: string): Promise<boolean> {
  // One statement, so that without a transaction too no label can see the wake and not the signal. The strand's row stays
  // locked until the caller commits: a label that ends meanwhile waits and then does not sleep.
  const { rowCount } = await db.query(
    `with woken as (
       update strands.strand
       set wake = wake + 1, run_at = now(),
           tries = case when parked_at is not null and $2 = 'destroy' then 0 else tries end,
           parked_at = case when $2 = 'destroy' then null else parked_at end
       where id = $1 returning id
     ), raised as (
       insert into strands.signal (strand_id, name) select id, $2 from woken
       on conflict (strand_id, name) do update set seq = default
     )
     select pg_notify('strands', '') from woken`,
    [id, name],
  );
  return rowCount === 1;
}

/** Wakes a parked strand with a fresh count of tries; false when it is not parked. */
export async function retry(db: Queryable, id: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `update strands.strand set parked_at = null, tries = 0, crashes = 0, run_at = now(), label_since = now(), alerted_at = null
     where id = $1 and parked_at is not null`,
    [id],
  );
  if (rowCount) await db.query(`select pg_notify('strands', '')`);
  return rowCount === 1;
}
