import { copyRow, describeCopy, growthRow } from '../copy-rows.mjs';
import { Keeper } from '../keeper.mjs';
import { notWaiting, pgbench } from '../pgbench.mjs';
import { makePlace, possiblePlaces } from '../place.mjs';
import { until } from '../run.mjs';
import { query } from '../server.mjs';
import { makeSource, refuseUnequalSums, roomFor } from '../sources.mjs';
import { interleave } from '../statistics.mjs';

const CLIENTS = 4;
/** A base as soon as a cluster has clients, and no other. */
const BASES = { first: 0, plainEvery: 10 ** 9, reflinkEvery: 10 ** 9 };
/** Of the log that sizes are compared with. */
const TRANSACTIONS = 4000;
/** How often a server that is written to makes a checkpoint, after which it logs whole pages again. */
const CHECKPOINT_MINUTES = 5;
const HEAD = ['', 'until copying', 'copying', 'replay, until available', 'in all', 'range', 'how'];

const NOTE = `Until copying: the source finishes its log, and all of it is archived. Copying: the base, on a pool by sharing its blocks. Replay: the log from the
archive, decrypted and checked, then what a clone does. Minutes of log are written as fast as they can be, with a checkpoint every ${CHECKPOINT_MINUTES} minutes of
the time that they stand for: so much log lies between a base and the moment when bases are made every hour.`;

/** A restore to a moment against the size of the database, and against the log between the base before the moment and the moment. */
export async function restore(context) {
  const { kinds, skipped } = possiblePlaces(['pool', 'plain']);
  const pool = kinds.includes('pool') ? await onPlace('pool', context, onSharedBlocks) : { bySize: {}, byLog: {} };
  const plain = await onPlace('plain', context, onPlainDisk);
  return { ...report(pool, plain, context.sizes), skipped };
}

/** All sizes in turns, and then minutes of log on one of them. */
async function onSharedBlocks(keeper, context) {
  const sources = [];
  for (const gigabytes of context.sizes.copied) sources.push(await makeRestorable(keeper, gigabytes, context));
  const bySize = await restoreAll(keeper, sources, context);
  const times = await writeMinutes(sources[Math.min(1, sources.length - 1)], context);
  return { bySize, byLog: await restoreAll(keeper, times, context) };
}

/** One size after the other: each takes the disk three times. */
async function onPlainDisk(keeper, context) {
  const all = {};
  for (const gigabytes of context.sizes.copied) {
    const source = await makeRestorable(keeper, gigabytes, context);
    Object.assign(all, await restoreAll(keeper, [source], context));
    await keeper.engine.destroyCluster(source.id);
  }
  return all;
}

function report({ bySize, byLog }, plain, { writesPerSecond }) {
  const rows = (kind, copies) => Object.entries(copies).map(([name, rounds]) => copyRow(`${kind}${name}`, rounds));
  const hasPool = Object.keys(byLog).length > 0;
  const size = {
    title: `A restore to a moment, ${TRANSACTIONS} transactions after its base`,
    note: NOTE,
    head: HEAD,
    rows: [...rows('pool, ', bySize), ...rows('plain, ', plain)],
  };
  const log = {
    title: `A restore to a moment, after minutes of ${writesPerSecond} write transactions a second, pool`,
    head: HEAD,
    rows: rows('', byLog),
  };
  if (!hasPool) return { tables: [size] };
  return { tables: [size, log], alone: [growthRow('a restore with little log, pool', bySize, 'total', 2)] };
}

async function onPlace(kind, context, work) {
  const { sizes, say, cleanup } = context;
  say(`  ${kind}`);
  const place = await makePlace({ kind, gigabytes: roomFor(sizes.copied) + 1, cleanup });
  const keeper = await Keeper.start(place.home, { bases: BASES, cleanup });
  try {
    return await work(keeper, context);
  } finally {
    await keeper.stop();
    await place.remove();
  }
}

/** A source with a base of all that fills its tables, a little log since, and the moment after that. */
async function makeRestorable(keeper, gigabytes, { say }) {
  const source = await makeSource(keeper, gigabytes, say);
  await query(source.env, 'checkpoint');
  await keeper.open(source.id);
  await until('a base', async () => (await keeper.engine.restoreWindow(source.id)).earliest, { seconds: 600 });
  const start = await position(source);
  await write(source, TRANSACTIONS);
  return { ...source, start, moment: now() };
}

const now = () => new Date().toISOString();

async function position({ env }) {
  const [{ bytes }] = await query(env, `select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text as bytes`);
  return Number(bytes);
}

/** As fast as the processors allow: what a replay takes depends on the log and not on the time in which it was written. */
async function write({ env }, transactions) {
  await pgbench(notWaiting(env), ['-c', String(CLIENTS), '-j', '2', '-t', String(Math.ceil(transactions / CLIENTS))]);
}

/** Writes what a database does in so many minutes; gives the source with the moment at the end of each of them. */
async function writeMinutes(source, { sizes, say }) {
  const times = [];
  for (let minute = CHECKPOINT_MINUTES; minute <= Math.max(...sizes.logMinutes); minute += CHECKPOINT_MINUTES) {
    await write(source, sizes.writesPerSecond * CHECKPOINT_MINUTES * 60);
    await query(source.env, 'checkpoint');
    if (!sizes.logMinutes.includes(minute)) continue;
    const megabytes = Math.round(((await position(source)) - source.start) / 1e6);
    say(`  ${minute} minutes: ${megabytes} MB of log`);
    times.push({ ...source, name: `${source.name}, ${minute} minutes (${megabytes} MB)`, moment: now() });
  }
  return times;
}

/** Every restore by the name of what was restored. */
function restoreAll(keeper, sources, { sizes, say }) {
  return interleave(sizes.rounds, sources, async ({ name, id, moment }) => {
    const copy = await keeper.copy(id, 'restored', moment);
    await refuseUnequalSums(await keeper.environment('restored'));
    await keeper.engine.destroyCluster('restored');
    say(`  restored ${name}: ${describeCopy(copy)}`);
    return copy;
  });
}
