import { findServer, stopServer } from '@borealis/postgres';
import { ownUser } from '../cluster/running.js';
import type { ClusterState } from '../cluster/state.js';
import { ofEra, ofNode } from '../home/paths.js';
import { MOST_NODES } from './roles.js';

/** Stops every server of the cluster but the primary's, also one of another major, and one whose node is not wanted any more. */
export async function stopStandbys(state: ClusterState, mode: 'fast' | 'immediate'): Promise<void> {
  const { record, paths } = state.journal;
  const eras = [record.era, record.major?.era, record.former?.era].filter((era) => era !== undefined);
  const nodes = Array.from({ length: MOST_NODES }, (_, at) => at + 1);
  const places = [...new Set(eras)].flatMap((era) => nodes.map((node) => ({ era, node })));
  for (const { era, node } of places) {
    if (era === record.era && node === record.primary) continue;
    const { data: dataDirectory } = ofNode(ofEra(paths, era), node);
    const server = await ownUser(record.osUsers?.postgres, (os) => findServer({ dataDirectory, os }));
    if (server) await stopServer(server, { mode, seconds: mode === 'fast' ? 60 : 10 });
  }
}
