import { findServer, stopServer } from '@borealis/postgres';
import { ownUser } from '../cluster/running.js';
import type { ClusterState } from '../cluster/state.js';
import { pathsOf } from './node-spec.js';
import { MOST_NODES } from './roles.js';

/** Stops every server of the cluster but the primary's, also one whose node is not wanted any more. */
export async function stopStandbys(state: ClusterState, mode: 'fast' | 'immediate'): Promise<void> {
  const { record } = state.journal;
  const nodes = Array.from({ length: MOST_NODES }, (_, at) => at + 1).filter((node) => node !== record.primary);
  for (const node of nodes) {
    const { data: dataDirectory } = pathsOf(state, node);
    const server = await ownUser(record.osUsers?.postgres, (os) => findServer({ dataDirectory, os }));
    if (server) await stopServer(server, { mode, seconds: mode === 'fast' ? 60 : 10 });
  }
}
