import type { FailoverOutcome, NodeEventType } from '@borealis/engine';
import type { ClusterState } from '../cluster/state.js';

/** Tells what became of the cluster's nodes, to the operator's log and as an event. */
export async function announceNodes(
  state: ClusterState,
  type: NodeEventType,
  what: string,
  outcome?: FailoverOutcome,
): Promise<void> {
  const clusterId = state.journal.record.id;
  state.context.log.warn({ cluster: clusterId, what, ...outcome }, type);
  await state.context.events.append([
    { clusterId, type, seq: 0, at: new Date().toISOString(), what, ...(outcome && { outcome }) },
  ]);
}
