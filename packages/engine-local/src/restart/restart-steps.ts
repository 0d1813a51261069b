import { runsBy, stopServer } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import type { Step } from '../cluster/step.js';
import { concludeRestart, noteOutcome } from './conclude.js';
import { resumePaused } from './held-sessions.js';
import { holdForRestart } from './hold-for-restart.js';
import { prepareRestart } from './prepare.js';
import type { PlannedRestart } from './restart-record.js';

const LOOK_MS = 1000;
const STOP_SECONDS = 30;

/**
 * Comes last: everything else is as it should be. It ends the running server in the stage `switching`, and the steps before it start the next one
 * by what is planned; a keeper that finds a stage it did not begin itself goes on from what it sees.
 */
export const restartServer: Step = {
  phase: null,
  detail: 'The database is ready; a restart of it is planned',
  isDone: ({ journal }) => journal.record.next === null,
  wait: (state) => pauseBefore(state, state.journal.record.next!),
  async run(state) {
    const next = state.journal.record.next!;
    if (next.stage === 'preparing') return prepareRestart(state, next);
    if (next.stage === 'waiting') return trySwitch(state, next);
    if (next.stage === 'switching' && !(await hasSwitched(state, next))) return changeStage(state, 'waiting');
    return concludeRestart(state, next);
  },
};

function pauseBefore({ restart }: ClusterState, { stage }: PlannedRestart): number {
  if (stage === 'preparing') return restart.preparation && !restart.preparation.isSettled ? LOOK_MS : 0;
  return stage === 'waiting' ? Math.max(0, restart.nextTryAt - Date.now()) : 0;
}

async function trySwitch(state: ClusterState, next: PlannedRestart): Promise<void> {
  const isLate = next.closeAfter !== null && Date.now() >= Date.parse(next.closeAfter);
  if (await holdForRestart(state, isLate)) return endServer(state);
  if (isLate) await noteOutcome(state, next, 'The gateway could not hold its sessions.');
}

/** From the change of the stage on whoever starts the server starts it by what is planned. */
async function endServer(state: ClusterState): Promise<void> {
  try {
    await changeStage(state, 'switching');
  } catch (error) {
    await resumePaused(state).finally(() => {
      state.restart.pause = null;
    });
    throw error;
  }
  await stopServer(state.server!, { mode: 'fast', seconds: STOP_SECONDS });
  // It is not lost: no standby takes over.
  state.mayStartPrimary = true;
  state.server = null;
  state.restart.startedBy = null;
}

async function changeStage(state: ClusterState, stage: PlannedRestart['stage']): Promise<void> {
  await state.journal.update(({ next }) => ({ next: next && { ...next, stage } }));
  // The release and the files follow the stage.
  state.configured = false;
}

/** A server that was found running may be the one that was to be stopped. */
async function hasSwitched(state: ClusterState, { to }: PlannedRestart): Promise<boolean> {
  const { startedBy } = state.restart;
  return startedBy ? startedBy === to : runsBy(serverSpec(state));
}
