import { copyRow, describeCopy, growthRow } from '../copy-rows.mjs';
import { Keeper, NO_BASES } from '../keeper.mjs';
import { underLoad } from '../pgbench.mjs';
import { makePlace, possiblePlaces } from '../place.mjs';
import { query } from '../server.mjs';
import { makeSource, refuseUnequalSums, roomFor } from '../sources.mjs';
import { interleave } from '../statistics.mjs';

const CLIENTS = 4;
const HEAD = ['', 'until copying', 'copying', 'until available', 'in all', 'range', 'how'];

const NOTE = `Until copying: the system users and a checkpoint of the source, which writes out what pgbench has changed. Copying: until all files are
there, durably; \`reflink\` shares their blocks with the source, \`plain\` copies every byte. Until available: the clone recovers, gets names and
passwords of its own, and a gateway.`;

/** A clone against the size of its source, which pgbench writes to meanwhile: on pools, where blocks are shared, and on a plain disk. */
export async function clone(context) {
  const rows = [];
  const alone = [];
  const { kinds, skipped } = possiblePlaces(['pool', 'encrypted pool', 'plain']);
  for (const kind of kinds) {
    const copies = await measureKind(kind, context);
    rows.push(...Object.entries(copies).map(([name, rounds]) => copyRow(`${kind}, ${name}`, rounds)));
    if (kind === 'plain') continue;
    alone.push(growthRow(`copying the files of a clone, ${kind}`, copies, 'copying', 1.5));
    alone.push(growthRow(`a clone, from request to available, ${kind}`, copies, 'total', 2));
  }
  const title = `A clone while pgbench writes to its source with ${CLIENTS} clients`;
  return { tables: [{ title, note: NOTE, head: HEAD, rows }], alone, skipped };
}

/** Every copy by the name of its size. */
async function measureKind(kind, { sizes, say, cleanup }) {
  say(`  ${kind}`);
  const place = await makePlace({ kind, gigabytes: roomFor(sizes.copied), cleanup });
  const keeper = await Keeper.start(place.home, { bases: NO_BASES, cleanup });
  try {
    const sources = [];
    for (const gigabytes of sizes.copied) sources.push(await makeSource(keeper, gigabytes, say));
    return await interleave(sizes.rounds, sources, async (source) => {
      const copy = await cloneUnderLoad(keeper, source);
      say(`  ${kind}, ${source.name}: ${describeCopy(copy)}`);
      return copy;
    });
  } finally {
    await keeper.stop();
    await place.remove();
  }
}

async function cloneUnderLoad(keeper, { id, env }) {
  // Every clone begins alike: what waits to be written out is what the load has written, and not what filling the tables has.
  await query(env, 'checkpoint');
  const copy = await underLoad(env, CLIENTS, () => keeper.copy(id, 'clone'));
  await refuseUnequalSums(await keeper.environment('clone'));
  await keeper.engine.destroyCluster('clone');
  return copy;
}
