import type { Pool, PoolClient } from 'pg';
import { backoff, type Claim } from './claim.js';
import type { RowWrite, StepResult } from './types.js';

/** The lease went to somebody else: the transaction is undone and nothing of the label is recorded. */
export class LeaseLost extends Error {
  override name = 'LeaseLost';
}

/** An outcome ready to be recorded. */
export interface Settlement {
  outcome: 'go' | 'nap' | 'done' | 'destroy';
  label: string;
  frame: unknown;
  seconds: number;
  consumed: string[];
  write?: RowWrite | undefined;
  /** For `done` outside the way out: where a `destroy` raised meanwhile leads instead. */
  destroy?: string | undefined;
}

/** Records an outcome, its row writes, its log line and its consumed signals together, or throws and records nothing. */
export async function settle(pool: Pool, worker: string, claim: Claim, settlement: Settlement): Promise<StepResult> {
  return inTransaction(pool, async (client) => {
    // Rows of the caller's first, the strand's after: the order in which requests lock them too.
    await settlement.write?.(client);
    await holdOrThrow(client, claim);
    const final = await destroyWins(client, claim, settlement);
    const next = final.outcome === 'done' ? undefined : final.label;
    await writeLog(client, worker, claim, { outcome: final.outcome, next });
    await client.query('delete from strands.signal where strand_id = $1 and seq = any($2)', [claim.id, final.consumed]);
    if (next === undefined) await client.query('delete from strands.strand where id = $1', [claim.id]);
    else await advance(client, claim, final);
    return { label: claim.label, outcome: final.outcome, ...(next !== undefined && { next }) };
  });
}

/** Records a failure; parks the strand when asked to, unless a signal came in meanwhile: `destroy` must find it awake. */
export async function fail(
  pool: Pool,
  worker: string,
  claim: Claim,
  failure: { error: string; park: boolean },
): Promise<StepResult> {
  return inTransaction(pool, async (client) => {
    const wake = await holdOrThrow(client, claim);
    const outcome = failure.park && wake === claim.wake ? 'parked' : 'failed';
    await writeLog(client, worker, claim, { outcome, error: failure.error });
    await client.query(
      `update strands.strand
       set lease = null, lease_until = null, leased_by = null, crashes = 0, error = $2,
           run_at = case when $3 then now() + ${backoff('tries - 1')} else now() end,
           parked_at = case when $4 then now() end, alerted_at = case when $4 then null else alerted_at end
       where id = $1`,
      [claim.id, failure.error, wake === claim.wake, outcome === 'parked'],
    );
    return { label: claim.label, outcome, error: failure.error };
  });
}

/** Locks the strand's row if the lease is still ours; returns its wake counter. */
async function holdOrThrow(client: PoolClient, claim: Claim): Promise<string> {
  const { rows } = await client.query<{ wake: string }>(
    'select wake from strands.strand where id = $1 and lease = $2 for update',
    [claim.id, claim.lease],
  );
  if (!rows[0]) throw new LeaseLost(`The lease of strand ${claim.id} was lost.`);
  return rows[0].wake;
}

// Asked after the row is locked: a `destroy` that came before is seen, one that comes after finds no strand.
async function destroyWins(client: PoolClient, claim: Claim, settlement: Settlement): Promise<Settlement> {
  if (settlement.outcome !== 'done' || !settlement.destroy) return settlement;
  const found = `select from strands.signal where strand_id = $1 and name = 'destroy'`;
  const { rowCount } = await client.query(found, [claim.id]);
  return rowCount ? { ...settlement, label: settlement.destroy, outcome: 'destroy', seconds: 0 } : settlement;
}

async function advance(client: PoolClient, claim: Claim, to: Settlement): Promise<void> {
  await client.query(
    `update strands.strand
     set lease = null, lease_until = null, leased_by = null, tries = 0, crashes = 0, error = null, frame = $2, label = $3,
         run_at = case when wake = $4 then now() + $5 * interval '1 second' else now() end,
         label_since = case when $6 then now() else label_since end,
         alerted_at = case when $6 then null else alerted_at end
     where id = $1`,
    [claim.id, JSON.stringify(to.frame), to.label, claim.wake, to.seconds, to.outcome !== 'nap'],
  );
  if (to.outcome !== 'nap') await client.query(`select pg_notify('strands', '')`);
}

async function writeLog(
  client: PoolClient,
  worker: string,
  claim: Claim,
  line: { outcome: string; next?: string | undefined; error?: string },
): Promise<void> {
  await client.query(
    `insert into strands.strand_log (strand_id, kind, label, outcome, next_label, error, worker, started_at)
     select id, kind, label, $2, $3, $4, $5, leased_at from strands.strand where id = $1`,
    [claim.id, line.outcome, line.next ?? null, line.error ?? null, worker],
  );
}

async function inTransaction<T>(pool: Pool, body: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  // A server that goes away raises this beside the failed query; unheard it would end the process.
  const onError = () => {};
  client.on('error', onError);
  let broken: boolean | undefined;
  try {
    await client.query('begin');
    const result = await body(client);
    await client.query('commit');
    return result;
  } catch (error) {
    broken = await client.query('rollback').then(
      () => false,
      () => true,
    );
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}
