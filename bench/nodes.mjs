import { readFile } from 'node:fs/promises';
import { homePaths, ofEra, ofNode } from '../packages/engine-local/dist/home/paths.js';
import { until } from './run.mjs';

/** What the engine's journal says of a cluster, and where its primary's data is. */
export async function nodesOf(home, cluster) {
  const paths = homePaths(home).cluster(cluster);
  const record = JSON.parse(await readFile(paths.record, 'utf8'));
  return { ...record, data: ofNode(ofEra(paths, record.era), record.primary).data };
}

/** Waits until nothing of the cluster is under way and every standby has all that was acknowledged. */
export function untilProtected(home, cluster) {
  return until(`the standbys of ${cluster}`, async () => {
    const nodes = await nodesOf(home, cluster);
    const { failover, change, next, major, standbys, spec } = nodes;
    const isWhole = standbys.length === spec.nodes - 1 && standbys.every(({ role }) => role === 'eligible');
    return isWhole && !failover && !change && !next && !major && nodes;
  });
}

/** The process id of a server's postmaster. */
export async function postmasterOf(data) {
  return Number((await readFile(`${data}/postmaster.pid`, 'utf8')).split('\n')[0]);
}
