import type { MinorUpgradeEvent } from '@borealis/engine';
import type { ClusterState } from '../cluster/state.js';
import { settledFooting } from './footing.js';
import type { PlannedRestart, RestartOutcome } from './restart-record.js';

/** Tells that another release is about to be put in place. A restart with the same release is told by who asked for it. */
export async function announceBegin(state: ClusterState, { to }: PlannedRestart): Promise<void> {
  const from = settledFooting(state.journal.record).version;
  if (from !== to.version) await tell(state, { type: 'minor-upgrade-started', from, to: to.version });
}

/** Tells what came of it. */
export async function announceUpgrade(state: ClusterState, outcome: RestartOutcome): Promise<void> {
  const versions = { from: outcome.from.version, to: outcome.to.version };
  if (versions.from === versions.to) return;
  const { failure, pauseMs, kept, closed } = outcome;
  await tell(
    state,
    failure === null
      ? { type: 'minor-upgrade-completed', ...versions, pauseMs, kept, closed }
      : { type: 'minor-upgrade-failed', ...versions, what: failure },
  );
}

async function tell(state: ClusterState, event: MinorUpgradeEvent): Promise<void> {
  const { record } = state.journal;
  state.context.log.info({ cluster: record.id, event }, 'a minor upgrade');
  await state.context.events.append([{ clusterId: record.id, seq: 0, at: new Date().toISOString(), ...event }]);
}
