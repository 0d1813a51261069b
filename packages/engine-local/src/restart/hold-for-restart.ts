import { hasLongTransaction } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { pauseSessions, shortenPause } from './held-sessions.js';

/** A transaction that is open for longer is waited for before anybody is held. In seconds. */
const LONG_TRANSACTION = 1;
const LOOK_MS = 1000;
/** Each attempt holds all sessions for seconds. */
const PAUSE_AFTER_ATTEMPT_MS = 15_000;

/**
 * Makes the server's stop short and holds all sessions; true when they are held. Otherwise `restart.nextTryAt` says when to try again. Once it
 * `isLate`, sessions that are not idle are closed rather than waited for.
 */
export async function holdForRestart(state: ClusterState, isLate: boolean): Promise<boolean> {
  const { restart } = state;
  const spec = serverSpec(state);
  restart.sentence = 'Waiting for a moment without long transactions';
  restart.nextTryAt = Date.now() + LOOK_MS;
  if (!isLate && (await hasLongTransaction(spec, LONG_TRANSACTION))) return false;
  restart.sentence = 'Writing everything to disk before the restart';
  await shortenPause(state, spec);
  restart.sentence = 'Restarting PostgreSQL';
  if (await pauseSessions(state, isLate ? 'close' : 'abort')) return true;
  restart.sentence = 'Waiting for a moment in which all sessions can be held';
  restart.nextTryAt = Date.now() + PAUSE_AFTER_ATTEMPT_MS;
  return false;
}
