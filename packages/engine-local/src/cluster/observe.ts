import { isServerAlive, trimLog } from '@borealis/postgres';
import { isAlive } from '../system/process-identity.js';
import { findRunningGateways } from './running.js';
import type { ClusterState } from './state.js';

/** Looks whether what ran still runs, and reads what the gateway has told meanwhile. */
export async function observe(state: ClusterState): Promise<void> {
  if (state.server && !(await isServerAlive(state.server))) noteLostServer(state);
  await observeGateways(state);
  await trimLog(state.journal.paths.postgresLog);
  await trimLog(state.journal.paths.gatewayLog); // strangers on the network can fill it a line at a time
  await drainSpool(state);
}

async function observeGateways(state: ClusterState): Promise<void> {
  if (state.gateway && !(await isAlive(state.gateway))) {
    state.gateway = null;
    state.gatewayRestarts.lost(Date.now());
  }
  const alive = await Promise.all(state.draining.map(isAlive));
  if (alive.every(Boolean)) return;
  state.draining = state.draining.filter((_, index) => alive[index]);
  // One that was killed could not tell that its tunnels have ended.
  const living = await findRunningGateways(state.journal);
  await state.spool.closeOpenTunnels(
    'gateway ended',
    living.map(({ pid }) => pid),
  );
}

/** The primary is gone: it is started again, or another node takes its place. */
export function noteLostServer(state: ClusterState): void {
  state.server = null;
  state.promoted = false;
  state.mayStartPrimary = false;
  state.failoverAt ??= Date.now();
  state.serverRestarts.lost(Date.now());
}

/** Events that cannot be kept now stay in the gateway's spool; the cluster itself must not suffer from it. */
async function drainSpool(state: ClusterState): Promise<void> {
  if (!state.journal.record.gateway) return;
  try {
    await state.spool.drain();
  } catch (error) {
    state.context.log.error(
      { cluster: state.journal.record.id, err: error },
      'the events of the gateway cannot be kept',
    );
  }
}
