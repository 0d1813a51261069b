import type { GatewayStatus } from '@borealis/contract';
import { type CredentialUse, EngineError, type SessionOwners } from '@borealis/engine';
import { requestStatus, sendCommand } from '../gateway/control-client.js';
import { isAlive, type ProcessIdentity } from '../system/process-identity.js';
import { ANSWER_SECONDS, livingGateways } from './gateways.js';
import type { ClusterState } from './state.js';

/** One that this keeper has not met yet answers at once, or is not to be waited for. */
const UNMET_SECONDS = 2;

/** Who is in by which credential. Throws `not_ready` when a gateway cannot tell. */
export async function credentialUse(state: ClusterState): Promise<CredentialUse> {
  const told = await askAboutSessions(state, (directory, pid) => requestStatus(directory, ANSWER_SECONDS, pid));
  return {
    tunnels: countTunnels(told.flatMap(({ tunnels }) => tunnels)),
    sessions: countSessions(told.flatMap(({ sessionsByVerifier }) => sessionsByVerifier)),
  };
}

/** Ends what these have open. Throws `not_ready` when a gateway does not say that it did. */
export async function closeSessions(state: ClusterState, who: SessionOwners): Promise<void> {
  await askAboutSessions(state, (directory, pid) =>
    sendCommand(directory, { op: 'close', ...who }, ANSWER_SECONDS, pid),
  );
}

/**
 * Asks every gateway that lives; none means that nobody is in. One that does not answer, because it starts or hangs, may well have
 * sessions: its silence is never taken for their absence.
 */
async function askAboutSessions<T>(
  state: ClusterState,
  ask: (directory: string, pid: number) => Promise<T>,
): Promise<T[]> {
  const { record, paths } = state.journal;
  const askOne = async (gateway: ProcessIdentity): Promise<T[]> => {
    try {
      // What a hanging one was told it would do later, when it is not expected any more.
      if (!hasMet(state, gateway)) await requestStatus(paths.gatewayLink, UNMET_SECONDS, gateway.pid);
      return [await ask(paths.gatewayLink, gateway.pid)];
    } catch (cause) {
      if (!(await isAlive(gateway))) return [];
      throw new EngineError('not_ready', `The gateway of "${record.id}" does not answer.`, { cause });
    }
  };
  return (await Promise.all((await livingGateways(state)).map(askOne))).flat();
}

function hasMet({ gateway, draining }: ClusterState, { pid }: ProcessIdentity): boolean {
  return [gateway, ...draining].some((met) => met?.pid === pid);
}

function countTunnels(tunnels: readonly { username: string; fingerprint: string }[]): CredentialUse['tunnels'] {
  return summed(
    tunnels.map(({ username, fingerprint }) => ({ username, fingerprint, count: 1 })),
    ({ username, fingerprint }) => `${username} ${fingerprint}`,
  );
}

function countSessions(sessions: GatewayStatus['sessionsByVerifier']): CredentialUse['sessions'] {
  return summed(sessions, ({ role, verifierDigest }) => `${role} ${verifierDigest}`);
}

function summed<T extends { count: number }>(counts: readonly T[], keyOf: (one: T) => string): T[] {
  const sums = new Map<string, T>();
  for (const one of counts) sums.set(keyOf(one), { ...one, count: (sums.get(keyOf(one))?.count ?? 0) + one.count });
  return [...sums.values()];
}
