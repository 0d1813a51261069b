import type { RecoveryEventType } from '@borealis/engine';
import type { ClusterState } from './state.js';

/** Tells that something died and is back by itself. */
export async function announceRecovery(
  state: ClusterState,
  what: string,
  type: RecoveryEventType = 'cluster-recovered',
): Promise<void> {
  const clusterId = state.journal.record.id;
  state.context.log.warn({ cluster: clusterId }, what);
  await state.context.events.append([{ clusterId, type, seq: 0, at: new Date().toISOString(), what }]);
}
