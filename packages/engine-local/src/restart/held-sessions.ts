import { type ServerSpec, writeAhead } from '@borealis/postgres';
import { askGateways, holdGateways, tellGateways } from '../cluster/gateways.js';
import type { ClusterState } from '../cluster/state.js';
import { resumeSessions } from '../gateway/control-client.js';

/** How long sessions are waited for until all are held: so long the first of them waits. */
const HOLD_SECONDS = 5;

/**
 * What would be done while everybody waits is done before: idle sessions tell their state, and `written`, the server that will stop or take over,
 * writes out what it has.
 */
export async function shortenPause(state: ClusterState, written: ServerSpec): Promise<void> {
  await askGateways(state);
  await writeAhead(written);
}

/**
 * Holds all sessions of the cluster: queries wait. False when one was not idle in time and `late` says `abort`, or when the gateway did not
 * answer or cannot hold sessions; then none is held. With `close` those that are late are closed.
 */
export async function pauseSessions(state: ClusterState, late: 'abort' | 'close'): Promise<boolean> {
  const { journal, restart } = state;
  if (!journal.record.gateway) {
    restart.pause = { since: Date.now(), closed: {}, ended: null };
    return true;
  }
  const since = Date.now();
  try {
    const { closed } = await holdGateways(state, { seconds: HOLD_SECONDS, late });
    restart.pause = { since, closed, ended: null };
    return true;
  } catch (error) {
    state.context.log.info({ cluster: journal.record.id, err: error }, 'sessions could not be held');
    await letGo(state);
    return false;
  }
}

/** Lets the sessions go on, on the server that runs now. Called again it does nothing. */
export async function resumePaused(state: ClusterState): Promise<void> {
  const { pause } = state.restart;
  if (!pause) return letGo(state);
  if (pause.ended) return;
  const { kept, closed } = await resumed(state);
  pause.ended = { milliseconds: Date.now() - pause.since, kept, closed };
}

async function resumed(state: ClusterState): Promise<{ kept: number; closed: Record<string, number> }> {
  if (!state.journal.record.gateway) return { kept: 0, closed: {} };
  return tellGateways(state, resumeSessions);
}

/** For sessions that may be held by what a killed keeper, or a lost answer, has begun. A gateway that holds none refuses. */
async function letGo(state: ClusterState): Promise<void> {
  await resumed(state).catch(() => undefined);
}
