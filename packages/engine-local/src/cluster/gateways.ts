import type { GatewayHeld, GatewayMoved, GatewayStatus } from '@borealis/contract';
import { askSessions, GatewaySilence, holdSessions, requestStatus, resumeSessions } from '../gateway/control-client.js';
import { stopGateway } from '../gateway/process.js';
import type { ProcessIdentity } from '../system/process-identity.js';
import { terminate, waitForExit } from '../system/termination.js';
import type { ClusterJournal } from './record.js';
import { findRunningGateways } from './running.js';
import type { ClusterState } from './state.js';

export const ANSWER_SECONDS = 10;
/** A living gateway that is silent for so long hangs; one that starts on a busy machine does not yet. */
const SILENCE_MS = 30_000;
const ENDING_SECONDS = 2;

/**
 * Every gateway of the cluster that lives: the one that accepts connections first, those that drain after it. What must hold for
 * all clients has to reach all of them. One that this keeper has not met may be among them, and need not answer yet.
 */
export async function livingGateways(state: ClusterState): Promise<ProcessIdentity[]> {
  const found = await findRunningGateways(state.journal);
  const isCurrent = ({ pid }: ProcessIdentity) => pid === state.gateway?.pid;
  return [...found.filter(isCurrent), ...found.filter((gateway) => !isCurrent(gateway))];
}

/** Stops them all, also one that takes over meanwhile: one that was starting is found by the next look. */
export async function stopGateways(journal: ClusterJournal): Promise<void> {
  for (;;) {
    const found = await findRunningGateways(journal);
    if (found.length === 0) return;
    await Promise.all(found.map((gateway) => stopGateway(journal.paths.gatewayLink, gateway)));
  }
}

/**
 * Asks a living gateway something; undefined when it has ended. One that stays silent hangs: after a while it is ended, so that another
 * can take its place. Throws what `ask` does.
 */
export async function askGateway<T>(
  state: ClusterState,
  gateway: ProcessIdentity,
  ask: (directory: string, pid: number) => Promise<T>,
): Promise<T | undefined> {
  const { gatewaySilences: silences } = state;
  try {
    const answer = await ask(state.journal.paths.gatewayLink, gateway.pid);
    silences.delete(gateway.pid);
    return answer;
  } catch (error) {
    if (!(error instanceof GatewaySilence)) throw error;
    // One that ends closes its socket a moment before it is gone.
    if (await waitForExit(gateway, ENDING_SECONDS)) return undefined;
    const since = silences.get(gateway.pid) ?? Date.now();
    silences.set(gateway.pid, since);
    if (Date.now() - since < SILENCE_MS) throw error;
    silences.delete(gateway.pid);
    await terminate(gateway, 2);
    throw error;
  }
}

/**
 * Looks which gateways live and what each does, and notes it in the state: `gateway` stays null when none accepts connections.
 * Throws when one does not answer, or while one takes over from another.
 */
export async function meetGateways(state: ClusterState): Promise<GatewayStatus[]> {
  const found = await findRunningGateways(state.journal);
  forgetSilences(state, found);
  const asked = await Promise.all(
    found.map(async (identity) => ({
      identity,
      status: await askGateway(state, identity, (directory, pid) => requestStatus(directory, ANSWER_SECONDS, pid)),
    })),
  );
  const met = asked.flatMap(({ identity, status }) => (status ? [{ identity, status }] : []));
  const accepting = met.filter(({ status }) => status.draining === null);
  if (accepting.length > 1) throw new Error('One gateway is just taking over from another.');
  state.gateway = accepting[0]?.identity ?? null;
  state.gatewayProgram = accepting[0]?.status.program ?? null;
  state.draining = met.filter(({ status }) => status.draining !== null).map(({ identity }) => identity);
  state.gatewayRevision = Math.min(...met.map(({ status }) => status.revision)); // infinite where there is none
  return met.map(({ status }) => status);
}

function forgetSilences({ gatewaySilences }: ClusterState, living: readonly ProcessIdentity[]): void {
  for (const pid of gatewaySilences.keys())
    if (!living.some((gateway) => gateway.pid === pid)) gatewaySilences.delete(pid);
}

/** `reloadGateway` or `resumeSessions`. */
export type MovingCommand = (directory: string, pid: number) => Promise<GatewayMoved>;

/**
 * Has all living gateways read their configuration, which must be written before; gives what became of their sessions, and the oldest
 * revision that one of them runs by. A draining one that cannot run by it is stopped: it may be of a former release, and whom it still
 * serves may have been removed and can come back through the other.
 */
export async function tellGateways(state: ClusterState, command: MovingCommand): Promise<GatewayMoved> {
  const answers = await Promise.all(
    (await livingGateways(state)).map(async (gateway) => {
      try {
        return await askGateway(state, gateway, command);
      } catch (error) {
        if (error instanceof GatewaySilence || gateway.pid === state.gateway?.pid) throw error;
        await stopGateway(state.journal.paths.gatewayLink, gateway);
        return undefined;
      }
    }),
  );
  const moved = answers.filter((answer) => answer !== undefined);
  const revision = Math.min(...moved.map((answer) => answer.revision)); // infinite where there is none
  return { ok: true, revision, kept: sum(moved.map(({ kept }) => kept)), closed: sumByKind(moved) };
}

/** Has all living gateways ask idle sessions for their state. One that does not makes a hold longer, and is not waited for longer than that. */
export async function askGateways(state: ClusterState): Promise<void> {
  const asked = (await livingGateways(state)).map((gateway) => askGateway(state, gateway, askSessions));
  for (const outcome of await Promise.allSettled(asked))
    if (outcome.status === 'rejected')
      state.context.log.info(
        { cluster: state.journal.record.id, err: outcome.reason },
        'a gateway was not asked ahead',
      );
}

/**
 * Holds the sessions of all living gateways, as `holdSessions` does for one; when one of them cannot, none is held, and this throws its
 * sentence.
 */
export async function holdGateways(
  state: ClusterState,
  how: { seconds: number; late: 'abort' | 'close' },
): Promise<GatewayHeld> {
  const gateways = await livingGateways(state);
  const held = await Promise.allSettled(
    gateways.map((gateway) => askGateway(state, gateway, (directory, pid) => holdSessions(directory, how, pid))),
  );
  const failure = held.find((outcome) => outcome.status === 'rejected');
  const answers = held.flatMap((outcome) => (outcome.status === 'fulfilled' && outcome.value ? [outcome.value] : []));
  if (!failure) return { ok: true, held: sum(answers.map((answer) => answer.held)), closed: sumByKind(answers) };
  const release = (directory: string, pid: number) => resumeSessions(directory, pid);
  await Promise.allSettled(
    gateways
      .filter((_, index) => held[index]?.status === 'fulfilled')
      .map((gateway) => askGateway(state, gateway, release)),
  );
  throw failure.reason;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function sumByKind(answers: readonly { closed: Record<string, number> }[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [kind, count] of answers.flatMap(({ closed }) => Object.entries(closed)))
    sums[kind] = (sums[kind] ?? 0) + count;
  return sums;
}
