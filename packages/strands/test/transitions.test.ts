import type { Pool } from 'pg';
import { expect, test } from 'vitest';
import { type Claim, claimDue } from '../src/claim.js';
import { fail, LeaseLost, settle } from '../src/commit.js';
import { retry, signal, spawn } from '../src/requests.js';
import { addon } from './support/addon.js';
import { useDatabase } from './support/harness.js';
import { type Event, type Expected, type State, transitions } from './support/transition-table.js';

const fresh = useDatabase();
const kind = addon();
const by = { worker: 'test', leaseSeconds: 60, kinds: [kind.name], limit: 1 };

/** The state as SPEC.md reads it from the row. */
async function stateOf(pool: Pool, id: string): Promise<State> {
  const { rows } = await pool.query(
    `select case when parked_at is not null then 'parked' when lease_until > now() then 'running'
       when lease is not null then 'orphaned' when run_at > now() then 'sleeping' else 'ready' end as state
     from strands.strand where id = $1`,
    [id],
  );
  return rows[0]?.state ?? 'gone';
}

const settlement = { label: 'wait', frame: { checks: 0 }, seconds: 0, consumed: [] };

const leaseEnds = (pool: Pool) =>
  pool.query(`update strands.strand set lease_until = now() - interval '1 second' where lease is not null`);

/** What a holder of the lease does; in states without one, a lease that was lost stands for it. */
const worker: Record<'go' | 'nap' | 'done' | 'fail' | 'giveUp', (pool: Pool, claim: Claim) => Promise<unknown>> = {
  go: (pool, claim) => settle(pool, 'test', claim, { ...settlement, outcome: 'go' }),
  nap: (pool, claim) => settle(pool, 'test', claim, { ...settlement, outcome: 'nap', seconds: 60 }),
  done: (pool, claim) => settle(pool, 'test', claim, { ...settlement, outcome: 'done' }),
  fail: (pool, claim) => fail(pool, 'test', claim, { error: 'flaky', park: false }),
  giveUp: (pool, claim) => fail(pool, 'test', claim, { error: 'hopeless', park: true }),
};

/** Brings a new strand into a state by the engine's own means; returns the last claim, if there was one. */
async function bringTo(pool: Pool, state: State): Promise<Claim> {
  await spawn(pool, kind, 's', { checks: 0 });
  const stale: Claim = {
    id: 's',
    kind: kind.name,
    label: 'create',
    frame: { checks: 0 },
    tries: 1,
    crashes: 1,
    wake: '0',
    lease: '00000000-0000-4000-8000-000000000000',
  };
  if (state === 'ready') return stale;
  const [claim] = await claimDue(pool, by);
  if (state === 'sleeping') await worker.nap(pool, claim!);
  if (state === 'orphaned') await leaseEnds(pool).then(() => pool.query('update strands.strand set run_at = now()'));
  if (state === 'parked') await worker.giveUp(pool, claim!);
  if (state === 'gone') await worker.done(pool, claim!);
  return claim!;
}

/** Applies an event; false when it was refused. */
async function apply(pool: Pool, event: Event, claim: Claim): Promise<boolean> {
  switch (event) {
    case 'claim':
      return (await claimDue(pool, by)).length === 1;
    case 'leaseEnds':
      return leaseEnds(pool).then(() => true);
    case 'timePasses':
      return pool.query('update strands.strand set run_at = least(run_at, now())').then(() => true);
    case 'signal':
      return signal(pool, 's', 'rotate');
    case 'destroy':
      return signal(pool, 's', 'destroy');
    case 'retry':
      return retry(pool, 's');
    default:
      return worker[event](pool, claim).then(
        () => true,
        (error) => {
          if (error instanceof LeaseLost) return false;
          throw error;
        },
      );
  }
}

for (const [state, row] of Object.entries(transitions) as [State, Record<Event, Expected>][]) {
  test(`every event in the state ${state} does what the table says`, async () => {
    const { pool } = await fresh();
    for (const [event, expected] of Object.entries(row) as [Event, Expected][]) {
      await pool.query('delete from strands.strand');
      const claim = await bringTo(pool, state);
      expect(await stateOf(pool, 's'), `brought to ${state}`).toBe(state);
      const accepted = await apply(pool, event, claim);
      const found = accepted ? await stateOf(pool, 's') : 'refused';
      expect(found, `${state} on ${event}`).toBe(expected);
      if (!accepted) expect(await stateOf(pool, 's'), `${state} after a refused ${event}`).toBe(state);
    }
  });
}
