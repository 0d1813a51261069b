import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BASE_POLICY, superfluous } from '../../packages/engine-local/dist/copies/base-policy.js';
import { listBases, makeBase, removeBase } from '../../packages/engine-local/dist/copies/bases.js';
import { countExtents, countedBytes, filesBelow, forgetCached, takenBytes } from '../disk.mjs';
import { Keeper, NO_BASES } from '../keeper.mjs';
import { fill, notWaiting, pgbench } from '../pgbench.mjs';
import { makePlace, possiblePlaces } from '../place.mjs';
import { query } from '../server.mjs';
import { describeRange, interleave, median, ratiosOf } from '../statistics.mjs';

const CLIENTS = 4;
const HOUR_MS = 3_600_000;
const GIGABYTES = 12;
const NOTE = `Of two clusters on one pool that live through the same, one has bases as the policy wants them: one every hour, those older than a day thinned out. In
an hour pgbench updates random accounts, as fast as it can, and both make a checkpoint. Extents are the pieces, each in one place of the
disk, that the files of the tables consist of.`;

/** What days of bases have done to a database: its speed, the pieces that its files lie in, the room taken, and how long a base takes. */
export async function bases(context) {
  const { sizes, say, cleanup } = context;
  const { kinds, skipped } = possiblePlaces(['pool']);
  if (kinds.length === 0) return { skipped };
  const place = await makePlace({ kind: 'pool', gigabytes: GIGABYTES, cleanup });
  const keeper = await Keeper.start(place.home, { bases: NO_BASES, cleanup });
  try {
    const sides = [await openSide(keeper, 'bases', sizes), await openSide(keeper, 'none', sizes)];
    const before = await unsharedBytes(place.home);
    const seconds = await simulate(sides, sizes, say);
    const room = (await unsharedBytes(place.home)) - before;
    return await report(sides, { seconds, room }, context);
  } finally {
    await keeper.stop();
    await place.remove();
  }
}

async function openSide(keeper, name, { agedScale }) {
  const id = `side${name}`;
  await keeper.create(id);
  await keeper.untilReady(id);
  const env = await keeper.environment(id);
  await fill(env, agedScale);
  await query(env, 'checkpoint');
  return { name, env, paths: keeper.paths.cluster(id), spec: await keeper.serverSpec(id) };
}

/** What is taken and lies in no file but those of bases, and what the file system itself needs. */
async function unsharedBytes(home) {
  return (await takenBytes(home)) - (await countedBytes(home, 'bases'));
}

/** Lets both live through the days; gives the seconds that each base took. */
async function simulate(sides, { days, updatesPerHour }, say) {
  const [{ paths, spec }] = sides;
  const seconds = [];
  /** The simulated hour in which each base was made. */
  const hours = new Map();
  for (let hour = 1; hour <= days * 24; hour++) {
    for (const { env } of sides) await liveAnHour(env, updatesPerHour);
    const start = performance.now();
    const base = await makeBase(paths.bases, spec, { signal: new AbortController().signal });
    seconds.push((performance.now() - start) / 1000);
    hours.set(base.directory, hour);
    await thinOut(paths.bases, hours, hour);
    if (hour % 24 === 0) say(`  day ${hour / 24}: its last base took ${seconds.at(-1).toFixed(2)} s (${base.method})`);
  }
  return seconds;
}

async function liveAnHour(env, updates) {
  const each = String(Math.ceil(updates / CLIENTS));
  await pgbench(notWaiting(env), ['-b', 'simple-update', '-c', String(CLIENTS), '-j', '2', '-t', each]);
  await query(env, 'checkpoint');
}

/** By the policy, on the clock of the simulation. */
async function thinOut(directory, hours, hour) {
  const found = await listBases(directory);
  const at = ({ directory: base }) => new Date(hours.get(base) * HOUR_MS).toISOString();
  const aged = found.map((base) => ({ ...base, stoppedAt: at(base) }));
  for (const base of superfluous(aged, BASE_POLICY, hour * HOUR_MS)) await removeBase(directory, base);
}

async function report(sides, { seconds, room }, { sizes, say }) {
  const [{ paths }] = sides;
  const kept = (await listBases(paths.bases)).length;
  const files = await Promise.all(sides.map(({ paths: { data } }) => filesBelow(join(data, 'base'))));
  const extents = [await countExtents(files[0]), await countExtents(files[1])];
  const bytes = (await Promise.all(files[0].map((file) => stat(file)))).reduce((sum, { size }) => sum + size, 0);
  const firsts = seconds.slice(0, 3);
  const lasts = seconds.slice(-3);
  say(`  ${kept} bases, ${extents.join(' and ')} extents`);
  const megabytes = Math.round(bytes / 1e6);
  return {
    tables: [
      {
        title: `A database of ${megabytes} MB after ${sizes.days} simulated days of ${sizes.updatesPerHour} updates an hour, ${kept} bases kept`,
        note: NOTE,
        head: ['', 'with bases', 'without', 'ratio', 'range'],
        rows: [...(await speedRows(sides, sizes)), extentsRow(extents[0], extents[1])],
      },
    ],
    alone: [
      { name: `room that ${kept} bases of ${megabytes} MB take together`, value: room / 1e6, unit: 'MB' },
      { name: 'a base, the first ones', value: median(firsts), unit: 's', detail: describeRange(firsts) },
      {
        name: `a base, the last ones of ${seconds.length}`,
        value: median(lasts),
        unit: 's',
        detail: describeRange(lasts),
      },
    ],
  };
}

function extentsRow(mine, theirs) {
  return ['extents of the tables', String(mine), String(theirs), `**${(mine / theirs).toFixed(1)}**`, ''];
}

async function speedRows(sides, { rounds, seconds }) {
  const load =
    (options) =>
    ({ env }) =>
      pgbench(env, [...options, '-c', String(CLIENTS), '-T', String(seconds)]);
  const cases = [
    ['TPC-B, 4 clients', '/s', load([])],
    ['select only, 4 clients', '/s', load(['-S', '-M', 'prepared'])],
    ['reading the largest table from the disk', 'MB/s', readRate],
  ];
  const rows = [];
  for (const [name, unit, measure] of cases) {
    const values = await interleave(rounds, sides, measure);
    const ratios = ratiosOf(values.bases, values.none);
    const medians = [values.bases, values.none].map((side) => `${Math.round(median(side))} ${unit}`);
    rows.push([name, ...medians, `**${median(ratios).toFixed(2)}**`, describeRange(ratios)]);
  }
  return rows;
}

/** Megabytes a second of a scan of which nothing is in memory but what PostgreSQL itself keeps. */
async function readRate({ env, paths }) {
  const [{ path, bytes }] = await query(
    env,
    `select pg_relation_filepath('pgbench_accounts') as path, pg_relation_size('pgbench_accounts')::text as bytes`,
  );
  await query(env, 'checkpoint');
  const first = join(paths.data, path);
  const files = (await filesBelow(join(first, '..'))).filter((file) => file === first || file.startsWith(`${first}.`));
  await forgetCached(files);
  const start = performance.now();
  await query(env, 'select sum(abalance) from pgbench_accounts');
  return Number(bytes) / 1e6 / ((performance.now() - start) / 1000);
}
