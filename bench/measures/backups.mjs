import { Keeper, NO_BASES } from '../keeper.mjs';
import { fill } from '../pgbench.mjs';
import { makePlace } from '../place.mjs';
import { describeRange, median } from '../statistics.mjs';

const ID = 'source';
const DATABASE = 'bench';

/** How fast a nightly backup of a database is made, and how fast it is proven. */
export async function backups({ sizes, say, cleanup }) {
  const place = await makePlace({ kind: 'plain', cleanup });
  const keeper = await Keeper.start(place.home, { bases: NO_BASES, cleanup });
  await keeper.create(ID);
  await keeper.untilReady(ID);
  await keeper.open(ID);
  await fill({ ...(await keeper.environment(ID)), PGDATABASE: DATABASE }, sizes.scale);
  const megabytes = (await keeper.engine.usage(ID))[DATABASE] / 1_000_000;
  const speeds = { made: [], proven: [] };
  for (let round = 0; round < sizes.rounds; round++) await measureRound(keeper, `r${round}`, megabytes, speeds);
  say(
    `  ${megabytes.toFixed(0)} MB: made at ${describeRange(speeds.made)}, proven at ${describeRange(speeds.proven)} MB/s`,
  );
  const row = (name, values) => ({
    name: `${name} (MB of the database)`,
    value: median(values),
    unit: 'MB/s',
    detail: `${describeRange(values)}, ${megabytes.toFixed(0)} MB`,
  });
  return {
    alone: [
      row('making a nightly backup: dumped, compressed, encrypted, and its tables counted and summed', speeds.made),
      row('proving it: restored into a server of its own and compared', speeds.proven),
    ],
  };
}

async function measureRound({ engine }, name, megabytes, speeds) {
  const seconds = async (work) => {
    const began = performance.now();
    const result = await work();
    return [(performance.now() - began) / 1000, result];
  };
  const [making] = await seconds(() => engine.backUpDatabase(ID, DATABASE, name));
  const [proving, { proof }] = await seconds(() => engine.proveBackup(ID, DATABASE, name));
  if (proof.failure !== null) throw new Error(`The backup is not good: ${proof.failure}`);
  await engine.dropBackup(ID, DATABASE, name);
  speeds.made.push(megabytes / making);
  speeds.proven.push(megabytes / proving);
}
