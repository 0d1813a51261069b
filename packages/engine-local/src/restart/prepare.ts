import type { ClusterState } from '../cluster/state.js';
import { toEngineError } from '../errors.js';
import { clusterRelease } from '../releases/cluster-release.js';
import { announceBegin } from './announce.js';
import { noteOutcome } from './conclude.js';
import type { PlannedRestart } from './restart-record.js';
import { tryOnCopy } from './trial.js';

/** Fetches and tries the release beside the loop, then goes on to the restart or gives it up. */
export async function prepareRestart(state: ClusterState, next: PlannedRestart): Promise<void> {
  const { restart } = state;
  if (!restart.preparation) return begin(state, next);
  const failure = await restart.preparation.outcome;
  if (failure !== null) return noteOutcome(state, next, failure);
  await announceBegin(state, next);
  const closeAfter = new Date(Date.now() + next.patienceSeconds * 1000).toISOString();
  await state.journal.update((record) => ({ next: record.next && { ...record.next, stage: 'waiting', closeAfter } }));
}

function begin(state: ClusterState, next: PlannedRestart): void {
  const outcome = prepare(state, next).catch((error: unknown) => {
    state.context.log.error({ cluster: state.journal.record.id, err: error }, 'a restart could not be prepared');
    return toEngineError(error).message;
  });
  const preparation = { isSettled: false, outcome };
  state.restart.preparation = preparation;
  void outcome.then(() => {
    preparation.isSettled = true;
    state.wake();
  });
}

/** Null, or why there is to be no restart. */
async function prepare(state: ClusterState, { to, isTried }: PlannedRestart): Promise<string | null> {
  const { restart } = state;
  restart.sentence = `Fetching PostgreSQL ${to}`;
  const onProgress = (sentence: string) => {
    restart.sentence = sentence;
  };
  const release = await clusterRelease(state, to, onProgress);
  return isTried ? tryOnCopy(state, release) : null;
}
