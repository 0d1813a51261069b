import { Keeper, NO_BASES } from '../keeper.mjs';
import { fill, pgbench } from '../pgbench.mjs';
import { makePlace, possiblePlaces } from '../place.mjs';
import { describeRange, describeRates, interleave, median, ratiosOf } from '../statistics.mjs';

const GIGABYTES = 4;
const LOADS = [
  { name: 'TPC-B, 4 clients', options: ['-c', '4', '-j', '2'] },
  { name: 'select only, 4 clients', options: ['-S', '-M', 'prepared', '-c', '4', '-j', '2'] },
];

/** What a pool and its encryption cost a database: the same cluster on a plain disk, on a pool and on an encrypted one, in turns. */
export async function encryption({ sizes, say, cleanup }) {
  const { kinds, skipped } = possiblePlaces(['plain', 'pool', 'encrypted pool']);
  const sides = [];
  try {
    for (const kind of kinds) sides.push(await openSide(kind, sizes, cleanup));
    const rows = [];
    for (const { name, options } of LOADS) {
      const rates = await interleave(sizes.rounds, sides, ({ env }) =>
        pgbench(env, [...options, '-T', String(sizes.seconds)]),
      );
      say(`  ${name}: ${describeRates(rates)} transactions/s`);
      for (const kind of kinds.slice(1))
        rows.push(
          row(
            `${name}: transactions on a place of the kind "${kind}", of those on a plain disk`,
            rates[kind],
            rates.plain,
          ),
        );
    }
    return { alone: rows, skipped };
  } finally {
    for (const { close } of sides) await close();
  }
}

function row(name, values, others) {
  const ratios = ratiosOf(values, others);
  return { name, value: median(ratios), unit: '', detail: describeRange(ratios) };
}

async function openSide(kind, { scale }, cleanup) {
  const place = await makePlace({ kind, gigabytes: GIGABYTES, cleanup });
  const keeper = await Keeper.start(place.home, { bases: NO_BASES, cleanup });
  await keeper.create('load');
  await keeper.untilReady('load');
  const env = await keeper.environment('load');
  await fill(env, scale);
  const close = async () => {
    await keeper.stop();
    await place.remove();
  };
  return { name: kind, env, close };
}
