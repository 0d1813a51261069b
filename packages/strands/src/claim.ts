import type { Pool } from 'pg';

/** A strand this worker holds, as it was when it was taken. */
export interface Claim {
  id: string;
  kind: string;
  label: string;
  frame: unknown;
  /** This try included. */
  tries: number;
  /** Claims since the last recorded outcome, this one included. */
  crashes: number;
  wake: string;
  lease: string;
}

/** Seconds until the next try, as SQL over the number of failures so far: 0.5, 1, 2, … 60. */
export const backoff = (failures: string) => `least(60, 0.5 * power(2, least(${failures}, 10))) * interval '1 second'`;

// Tries are counted here and the next run is put off here: a label that kills its worker cannot spin.
const take = (due: string) => `
  with due as (${due} for update skip locked)
  update strands.strand s
  set lease = gen_random_uuid(), leased_by = $1, leased_at = now(), lease_until = now() + $2 * interval '1 second',
      tries = tries + 1, crashes = crashes + 1, run_at = now() + ${backoff('crashes')}
  from due where s.id = due.id
  returning s.id, s.kind, s.label, s.frame, s.tries, s.crashes, s.wake, s.lease`;

const free = 'parked_at is null and (lease_until is null or lease_until <= now())';

/** Takes up to `limit` due strands of these kinds that nobody holds; two workers never get the same one. */
export async function claimDue(
  pool: Pool,
  by: { worker: string; leaseSeconds: number; kinds: string[]; limit: number },
): Promise<Claim[]> {
  const due = `select id from strands.strand where kind = any($3) and run_at <= now() and ${free} order by run_at limit $4`;
  const { rows } = await pool.query<Claim>(take(due), [by.worker, by.leaseSeconds, by.kinds, by.limit]);
  return rows;
}

/** Takes one strand whether it is due or not; null when it is held, parked or gone. */
export async function claimOne(
  pool: Pool,
  by: { worker: string; leaseSeconds: number; id: string },
): Promise<Claim | null> {
  const due = `select id from strands.strand where id = $3 and ${free}`;
  const { rows } = await pool.query<Claim>(take(due), [by.worker, by.leaseSeconds, by.id]);
  return rows[0] ?? null;
}

/** Extends the given leases and returns those that are still held. */
export async function extend(pool: Pool, leases: string[], leaseSeconds: number): Promise<Set<string>> {
  const { rows } = await pool.query<{ lease: string }>(
    `update strands.strand set lease_until = now() + $2 * interval '1 second' where lease = any($1) returning lease`,
    [leases, leaseSeconds],
  );
  return new Set(rows.map((row) => row.lease));
}

/** Seconds until some strand of these kinds can be taken; null when there is none. */
export async function secondsUntilDue(pool: Pool, kinds: string[]): Promise<number | null> {
  const { rows } = await pool.query<{ seconds: number | null }>(
    `select extract(epoch from min(greatest(run_at, lease_until)) - now())::float8 as seconds
     from strands.strand where parked_at is null and kind = any($1)`,
    [kinds],
  );
  return rows[0]?.seconds ?? null;
}
