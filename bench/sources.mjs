import { fill } from './pgbench.mjs';
import { query } from './server.mjs';

/** How many of pgbench's units a gigabyte has. */
const SCALE_PER_GB = 67;

/** Makes a cluster with pgbench's tables of that size. */
export async function makeSource(keeper, gigabytes, say) {
  const id = `src${Math.round(gigabytes * 1000)}`;
  say(`  filling a database of ${gigabytes} GB`);
  await keeper.create(id);
  await keeper.untilReady(id);
  const env = await keeper.environment(id);
  await fill(env, Math.max(1, Math.round(gigabytes * SCALE_PER_GB)));
  return { name: `${gigabytes} GB`, id, env };
}

/** Room in GiB for every source with its log, and for a copy of the largest that shares nothing any more. */
export function roomFor(gigabytes) {
  const all = gigabytes.reduce((sum, size) => sum + size, 0);
  return Math.ceil(all * 1.1 + Math.max(...gigabytes) + 2 + gigabytes.length);
}

/** Every transaction of pgbench adds the same to an account, a teller, a branch and the history. */
export async function refuseUnequalSums(env) {
  const [sums] = await query(
    env,
    `select (select sum(abalance) from pgbench_accounts)::text as accounts, (select sum(tbalance) from pgbench_tellers)::text as tellers,
       (select sum(bbalance) from pgbench_branches)::text as branches,
       (select coalesce(sum(delta), 0) from pgbench_history)::text as history`,
  );
  if (new Set(Object.values(sums)).size !== 1) throw new Error(`A copy is wrong: ${JSON.stringify(sums)}.`);
}
