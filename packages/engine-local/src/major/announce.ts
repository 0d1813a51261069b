import type { MajorUpgradeEvent } from '@borealis/engine';
import type { ClusterState } from '../cluster/state.js';
import type { MajorMove } from './major-record.js';

/** Tells that another major is on its way. */
export async function announceMajor(state: ClusterState, { from, to }: MajorMove): Promise<void> {
  await tell(state, { type: 'major-upgrade-started', from, to });
}

/** Tells that the server of the other major has taken over. */
export async function announceTakenOver(state: ClusterState, { kind, from, to, sessions }: MajorMove): Promise<void> {
  const moved = sessions ?? { pauseMs: null, kept: null, closed: {} };
  await tell(state, {
    type: kind === 'revert' ? 'major-upgrade-reverted' : 'major-upgrade-completed',
    from,
    to,
    ...moved,
  });
}

/** Tells that everything stays as it was. */
export async function announceUndone(state: ClusterState, { from, to, findings }: MajorMove): Promise<void> {
  if (findings.length === 0) await tell(state, { type: 'major-upgrade-cancelled', from, to });
  else await tell(state, { type: 'major-upgrade-failed', from, to, what: findings.join(' ') });
}

async function tell(state: ClusterState, event: MajorUpgradeEvent): Promise<void> {
  const { record } = state.journal;
  state.context.log.info({ cluster: record.id, event }, 'a change of the major');
  await state.context.events.append([{ clusterId: record.id, seq: 0, at: new Date().toISOString(), ...event }]);
}
