import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeHome } from '../home.mjs';
import { Keeper, NO_BASES } from '../keeper.mjs';
import { untilProtected } from '../nodes.mjs';
import { fill, pgbench, underLoad } from '../pgbench.mjs';
import { query } from '../server.mjs';
import { describeRange, describeRates, interleave, median, ratiosOf } from '../statistics.mjs';

const CLIENTS = 8;
const LOOK_MS = 50;
/** How old the newest commit is that a query on the standby sees, in milliseconds. */
const LAG = `select extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000 as lag`;

/** What it costs that a commit waits for standbys, and how far they are behind under load. */
export async function replication({ sizes, say, cleanup }) {
  const home = await mkdtemp(join(tmpdir(), 'br-'));
  await chmod(home, 0o711);
  cleanup.add('The home of the replicas', () => removeHome(home));
  const keeper = await Keeper.start(home, { bases: NO_BASES, cleanup });
  const sides = [];
  for (const nodes of [1, 2, 3]) sides.push(await startSide(keeper, nodes, sizes));
  const rates = await interleave(sizes.rounds, sides, ({ env }) =>
    pgbench(env, ['-c', String(CLIENTS), '-j', '2', '-T', String(sizes.seconds)]),
  );
  say(`  TPC-B, ${CLIENTS} clients: ${describeRates(rates)} transactions/s`);
  const rows = sides.slice(1).map(({ name }) => {
    const ratios = ratiosOf(rates[name], rates.x1);
    return {
      name: `TPC-B, ${CLIENTS} clients: transactions of a cluster ${name}, of those of one node`,
      value: median(ratios),
      unit: '',
      detail: describeRange(ratios),
    };
  });
  return { alone: [...rows, await measureLag(sides[1], sizes, say)] };
}

async function startSide(keeper, nodes, { scale }) {
  const id = `replicas${nodes}`;
  await keeper.create(id, undefined, nodes);
  await keeper.untilReady(id);
  await untilProtected(keeper.paths.home, id);
  const env = await keeper.environment(id);
  await fill(env, scale);
  return { name: `x${nodes}`, id, env, standby: nodes > 1 ? await keeper.environment(id, 2) : null };
}

async function measureLag({ env, standby, name }, { seconds, rounds }, say) {
  const lags = await underLoad(env, CLIENTS, async () => {
    await sleep(1000);
    const end = performance.now() + seconds * rounds * 1000;
    const seen = [];
    while (performance.now() < end) {
      const [{ lag }] = await query(standby, LAG);
      seen.push(Number(lag));
      await sleep(LOOK_MS);
    }
    return seen.sort((a, b) => a - b);
  });
  const of = (share) => lags[Math.min(lags.length - 1, Math.floor(share * lags.length))].toFixed(1);
  say(`  lag of a standby: p50 ${of(0.5)}, p99 ${of(0.99)}, max ${of(1)} ms`);
  return {
    name: `age of the newest commit that a query on a standby of ${name} sees, ${CLIENTS} clients writing`,
    value: median(lags),
    unit: 'ms',
    detail: `n=${lags.length}, p99 ${of(0.99)}, max ${of(1)}`,
  };
}
