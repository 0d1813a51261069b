import type { ClusterState } from './state.js';

/** Tells that something died and is back by itself. */
export async function announceRecovery(state: ClusterState, what: string): Promise<void> {
  const clusterId = state.journal.record.id;
  state.context.log.warn({ cluster: clusterId }, what);
  await state.context.events.append([
    { clusterId, type: 'cluster-recovered', seq: 0, at: new Date().toISOString(), what },
  ]);
}
