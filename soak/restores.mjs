import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../bench/run.mjs';
import { ID, SPEC } from './cluster.mjs';
import { describeDifferences } from './ledger.mjs';
import { readRows } from './writers.mjs';

const AROUND_MS = 1000;
const PATIENCE = { seconds: 600, everyMs: 100 };

/**
 * Restores the cluster to one second before a round and to one second after it, and gives a sentence for each thing that is not as it was: every row
 * that was acknowledged before the moment is there, and none that was begun after it. What was on its way may be there or not.
 */
export async function checkRestores(cluster, ledger, { number, begunAt, endedAt }) {
  const wrong = [];
  const moments = [
    [`before${number}`, begunAt - AROUND_MS, 'a restore to one second before'],
    [`after${number}`, endedAt + AROUND_MS, 'a restore to one second after'],
  ];
  for (const [id, moment, what] of moments) {
    // Something has to be written after it, or it is not known to be over.
    await sleep(Math.max(0, moment + AROUND_MS - ledger.now()));
    wrong.push(...(await checkRestore(cluster, ledger, { id, moment, what })));
  }
  return wrong;
}

async function checkRestore(cluster, ledger, { id, moment, what }) {
  const origin = { clusterId: ID, moment: new Date(moment).toISOString(), renames: { databases: [], roles: [] } };
  const major = await majorAt(cluster, origin.moment);
  await cluster.engine.createCluster(id, { ...SPEC, major, nodes: 1, origin });
  try {
    await until(
      what,
      async () => {
        const { phase, detail } = await cluster.engine.cluster(id);
        if (phase === 'failed') throw new Error(`${what} failed: ${detail}`);
        return phase === 'ready';
      },
      PATIENCE,
    );
    const { rows, wrong } = await readRows(cluster, { id });
    return [...describeDifferences(ledger.compare(rows, moment), what), ...wrong.map((one) => `${what}: ${one}`)];
  } finally {
    await cluster.engine.destroyCluster(id);
  }
}

/** The major of the server that the cluster had then. */
async function majorAt(cluster, moment) {
  const { formerMajors } = await cluster.engine.restoreWindow(ID);
  const former = formerMajors.find(({ until }) => Date.parse(moment) < Date.parse(until));
  return former?.major ?? (await cluster.record()).spec.major;
}
