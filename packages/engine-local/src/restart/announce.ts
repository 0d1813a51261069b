import type { MinorUpgradeEvent } from '@borealis/engine';
import type { ClusterState } from '../cluster/state.js';
import type { PlannedRestart, RestartOutcome } from './restart-record.js';

/** Tells that another release is about to be put in place. */
export async function announceBegin(state: ClusterState, { to }: PlannedRestart): Promise<void> {
  await tell(state, { type: 'minor-upgrade-started', from: state.journal.record.version, to });
}

/** Tells what came of it. */
export async function announceUpgrade(state: ClusterState, outcome: RestartOutcome): Promise<void> {
  const { from, to, failure, pauseMs, kept, closed } = outcome;
  await tell(
    state,
    failure === null
      ? { type: 'minor-upgrade-completed', from, to, pauseMs, kept, closed }
      : { type: 'minor-upgrade-failed', from, to, what: failure },
  );
}

async function tell(state: ClusterState, event: MinorUpgradeEvent): Promise<void> {
  const { record } = state.journal;
  state.context.log.info({ cluster: record.id, event }, 'a minor upgrade');
  await state.context.events.append([{ clusterId: record.id, seq: 0, at: new Date().toISOString(), ...event }]);
}
