import { type CredentialUse, EngineError, type SessionOwners } from '@borealis/engine';
import { requestStatus, sendCommand } from '../gateway/control-client.js';
import { findRunningGateway } from './running.js';
import type { ClusterState } from './state.js';

const ANSWER_SECONDS = 10;

/** Who is in by which credential. Throws `not_ready` when the gateway cannot tell. */
export async function credentialUse(state: ClusterState): Promise<CredentialUse> {
  const none: CredentialUse = { tunnels: [], sessions: [] };
  return askAboutSessions(state, none, async (directory) => {
    const { tunnels, sessionsByVerifier } = await requestStatus(directory, ANSWER_SECONDS);
    return { tunnels: countTunnels(tunnels), sessions: sessionsByVerifier };
  });
}

/** Ends what these have open. Throws `not_ready` when the gateway does not say that it did. */
export async function closeSessions(state: ClusterState, who: SessionOwners): Promise<void> {
  await askAboutSessions(state, undefined, (directory) =>
    sendCommand(directory, { op: 'close', ...who }, ANSWER_SECONDS),
  );
}

/**
 * Asks the gateway; `none` is the answer of a cluster whose gateway is down. A process that is there and that this keeper has not
 * met yet may well have sessions: its silence is never taken for their absence.
 */
async function askAboutSessions<T>(state: ClusterState, none: T, ask: (directory: string) => Promise<T>): Promise<T> {
  const { record, paths } = state.journal;
  const refuse = (cause?: unknown) =>
    new EngineError('not_ready', `The gateway of "${record.id}" does not answer.`, { cause });
  if (!state.gateway) {
    if (await findRunningGateway(state.journal)) throw refuse();
    return none;
  }
  return ask(paths.gatewayLink).catch((error: unknown) => {
    throw refuse(error);
  });
}

function countTunnels(tunnels: readonly { username: string; fingerprint: string }[]): CredentialUse['tunnels'] {
  const counted = new Map<string, CredentialUse['tunnels'][number]>();
  for (const { username, fingerprint } of tunnels) {
    const key = `${username} ${fingerprint}`;
    counted.set(key, { username, fingerprint, count: (counted.get(key)?.count ?? 0) + 1 });
  }
  return [...counted.values()];
}
