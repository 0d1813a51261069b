import pg from 'pg';
import { Keeper } from '../keeper.mjs';
import { fill, underLoad } from '../pgbench.mjs';
import { makePlace } from '../place.mjs';
import { describeRange, interleave, median } from '../statistics.mjs';

const CLIENTS = 4;
/** How many pgbench units a gigabyte has. */
const SCALE_PER_GB = 67;
/** Nothing but the clones is to be copied. */
const NO_BASES = { first: 10 ** 9 };
/** What of the largest database may take so many times what it takes of the smallest, where blocks are shared. */
const TARGETS = { copying: 1.5, total: 2 };
const HEAD = ['', 'until copying', 'copying', 'until available', 'in all', 'how', 'range of all'];

/** A clone against the size of its source, which pgbench writes to meanwhile: on a pool, where blocks are shared, and on a plain disk. */
export async function clone(context) {
  const rows = [];
  const alone = [];
  for (const kind of ['pool', 'encrypted pool', 'plain']) {
    const values = await measureKind(kind, context);
    for (const [name, copies] of Object.entries(values)) rows.push(describeCopies(`${kind}, ${name}`, copies));
    if (kind !== 'plain') alone.push(...growth(kind, Object.entries(values)));
  }
  const title = `A clone while pgbench writes to its source with ${CLIENTS} clients`;
  return { tables: [{ title, head: HEAD, rows }], alone };
}

async function measureKind(kind, { sizes, say, cleanup }) {
  const place = await makePlace({ kind, gigabytes: poolSize(sizes.copied), cleanup });
  const keeper = await Keeper.start(place.home, { bases: NO_BASES, cleanup });
  try {
    const sources = [];
    for (const gigabytes of sizes.copied) sources.push(await makeSource(keeper, gigabytes, say, kind));
    return await interleave(sizes.rounds, sources, async (source) => {
      const copy = await cloneUnderLoad(keeper, source);
      say(`  ${kind}, ${source.name}: ${describeParts(copy)} s (${copy.method})`);
      return copy;
    });
  } finally {
    await keeper.stop();
    await place.remove();
  }
}

/** Room for every source with its log, and for a copy of the largest that shares nothing any more. */
function poolSize(gigabytes) {
  const all = gigabytes.reduce((sum, size) => sum + size, 0);
  return Math.ceil(all * 1.1 + Math.max(...gigabytes) + 2 + gigabytes.length);
}

export async function makeSource(keeper, gigabytes, say, kind) {
  const id = `src${Math.round(gigabytes * 1000)}`;
  say(`  ${kind}: filling a database of ${gigabytes} GB`);
  await keeper.create(id);
  await keeper.untilReady(id);
  const env = await keeper.environment(id);
  await fill(env, Math.max(1, Math.round(gigabytes * SCALE_PER_GB)));
  return { name: `${gigabytes} GB`, id, env };
}

async function cloneUnderLoad(keeper, { id, env }) {
  // Every clone begins alike: what waits to be written out is what the load has written, and not what filling the tables has.
  await query(env, 'checkpoint');
  const copy = await underLoad(env, CLIENTS, () => keeper.copy(id, 'clone'));
  await refuseUnequalSums(await keeper.environment('clone'));
  await keeper.engine.destroyCluster('clone');
  return copy;
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

async function query({ PGHOST: host, PGPORT: port, PGUSER: user, PGPASSWORD: password, PGDATABASE: database }, sql) {
  const client = new pg.Client({ host, port: Number(port), user, password, database });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

const medianOf = (copies, part) => median(copies.map((copy) => copy[part]));

function describeParts(copy) {
  return ['before', 'copying', 'after', 'total']
    .map((part) => copy[part].toFixed(2))
    .join(' + ')
    .replace(/ \+ (\S+)$/, ' = $1');
}

function describeCopies(name, copies) {
  const parts = ['before', 'copying', 'after', 'total'].map((part) => `${medianOf(copies, part).toFixed(2)} s`);
  const methods = [...new Set(copies.map(({ method }) => method))].join(', ');
  return [name, ...parts, methods, describeRange(copies.map(({ total }) => total))];
}

/** What the largest takes, of what the smallest takes. */
function growth(kind, values) {
  const [smallest, largest] = [values[0], values.at(-1)];
  const names = { copying: 'copying the files', total: 'a clone from request to available' };
  return Object.entries(TARGETS).map(([part, below]) => {
    const ratios = largest[1].map((copy, round) => copy[part] / smallest[1][round][part]);
    return {
      name: `${names[part]}, ${kind}: what ${largest[0]} takes, of what ${smallest[0]} takes`,
      value: median(ratios),
      unit: '',
      target: { below },
      detail: describeRange(ratios),
    };
  });
}
