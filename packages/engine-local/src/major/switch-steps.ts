import { hasLongTransaction } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import type { Step } from '../cluster/step.js';
import { toEngineError } from '../errors.js';
import { pauseSessions, resumePaused, shortenPause } from '../restart/held-sessions.js';
import { concludeMove } from './conclude.js';
import { cutOver, reopen } from './cut-over.js';
import type { MajorMove } from './major-record.js';
import { makeReady, NoWayBack, type Ready } from './make-ready.js';

const LOOK_MS = 1000;
/** A transaction that is open for longer is waited for before anybody is held. In seconds. */
const LONG_TRANSACTION = 1;
/** Each attempt holds all sessions for seconds. */
const PAUSE_AFTER_ATTEMPT_MS = 15_000;
/** So often it may fail once it is late. */
const LATE_ATTEMPTS = 3;

/**
 * Comes last: everything else is as it should be. The server of the other major takes over in one write of the record, in a moment in which the
 * gateway holds all sessions; whatever fails before it leaves everything as it was.
 */
export const switchMajor: Step = {
  phase: null,
  detail: 'The database is ready; a server of another major is to take over',
  isDone: ({ journal }) => !['switching', 'concluding'].includes(journal.record.major?.stage ?? ''),
  wait: ({ journal, major }) =>
    journal.record.major?.stage === 'switching' ? Math.max(0, major.nextTryAt - Date.now()) : 0,
  async run(state) {
    const move = state.journal.record.major!;
    if (move.stage === 'concluding') return concludeMove(state, move);
    const isLate = move.closeAfter !== null && Date.now() >= Date.parse(move.closeAfter);
    state.major.nextTryAt = Date.now() + LOOK_MS;
    try {
      await trySwitch(state, move, isLate);
    } catch (error) {
      await noteFailure(state, move, isLate, error);
    }
  },
};

async function trySwitch(state: ClusterState, move: MajorMove, isLate: boolean): Promise<void> {
  const { major } = state;
  const source = serverSpec(state);
  major.sentence = 'Waiting for the next server to have everything';
  const ready = await makeReady(state, move);
  if (!ready) return;
  major.sentence = 'Waiting for a moment without long transactions';
  if (!isLate && (await hasLongTransaction(source, LONG_TRANSACTION))) return;
  await shortenPause(state, ready.next);
  major.sentence = 'Waiting for a moment in which all sessions can be held';
  major.nextTryAt = Date.now() + PAUSE_AFTER_ATTEMPT_MS;
  if (!(await pauseSessions(state, isLate ? 'close' : 'abort'))) {
    if (isLate) throw new Error('The gateway could not hold its sessions.');
    return;
  }
  await switchHeld(state, move, ready);
}

async function switchHeld(state: ClusterState, move: MajorMove, ready: Ready): Promise<void> {
  state.major.sentence = 'The next server takes over';
  try {
    await cutOver(state, move, ready);
  } catch (error) {
    if (state.journal.record.major?.stage === 'concluding') throw error;
    await goOnAsBefore(state);
    throw error;
  }
}

async function goOnAsBefore(state: ClusterState): Promise<void> {
  try {
    await reopen(state);
  } finally {
    await resumePaused(state);
    state.restart.pause = null;
  }
}

/** When it fails again and again after the time for it, or for good, it is given up: the present server goes on. */
async function noteFailure(state: ClusterState, move: MajorMove, isLate: boolean, error: unknown): Promise<void> {
  const { journal, context, major } = state;
  context.log.error({ cluster: journal.record.id, err: error }, 'the server of another major could not take over');
  // Noted at once: whoever asks again is told so.
  const useless = error instanceof NoWayBack ? error.message : null;
  const isOver = useless !== null || (isLate && ++major.failures >= LATE_ATTEMPTS);
  if (!isOver) return;
  const findings = [`The next server could not take over: ${toEngineError(error).message}`];
  await journal.update(({ major: current, former }) => ({
    former: former && { ...former, useless: former.useless ?? useless },
    major:
      current?.request === move.request && current.stage === 'switching'
        ? { ...current, stage: 'undoing', findings }
        : current,
  }));
}
