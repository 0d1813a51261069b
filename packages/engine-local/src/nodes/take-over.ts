import { setTimeout as sleep } from 'node:timers/promises';
import {
  connect,
  fenceServer,
  findServer,
  isInRecovery,
  promote,
  proveWritable,
  receivedUpTo,
} from '@borealis/postgres';
import { moveGateway } from '../cluster/gateway-steps.js';
import type { ClusterRecord } from '../cluster/record.js';
import { findRunningServer } from '../cluster/running.js';
import { nodeSpec, serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import type { Step } from '../cluster/step.js';
import { reloadGateway, resumeSessions } from '../gateway/control-client.js';
import { announceNodes } from './announce.js';
import { completeArchive } from './archive-completion.js';
import { pathsOf } from './node-spec.js';
import { isReplicated, nodeName, nodesWith, roleOf } from './roles.js';

const PROMOTE_SECONDS = 60;
/** A standby that does not answer for so long does not take over. */
const ANSWER_MS = 10_000;

/**
 * When the primary is gone and a standby that has everything runs, that one becomes the primary in the record, before anything else. A primary
 * that is still there, or whose standbys are down, too, is started again instead.
 */
export const takeOver: Step = {
  phase: 'recovering',
  detail: 'Looking for the node that takes writes',
  isDone: (state) =>
    state.server !== null || state.mayStartPrimary || nodesWith(state.journal.record, 'eligible').length === 0,
  async run(state) {
    const { record } = state.journal;
    const isHere = comesBack(record) || (await findRunningServer(state.journal));
    const heir = isHere ? null : await findHeir(state);
    if (heir === null) state.mayStartPrimary = true;
    else await makePrimary(state, heir, `The primary, ${nodeName(record.primary)}, is gone.`);
  },
};

/** True while the keeper itself has stopped the primary, or makes its data anew. */
function comesBack({ rebuild, next }: ClusterRecord): boolean {
  return rebuild !== null || next?.stage === 'switching' || next?.stage === 'reverting';
}

/**
 * A standby that may be promoted, runs and answers; null when there is none. Every one that may has all that was acknowledged; the one that
 * has most of the rest is taken, so that the others can follow it.
 */
export async function findHeir(state: ClusterState): Promise<number | null> {
  const asked = nodesWith(state.journal.record, 'eligible').map(async (node) => ({
    node,
    position: await Promise.race([positionOf(state, node), sleep(ANSWER_MS, null, { ref: false })]),
  }));
  const answers = (await Promise.all(asked)).filter(({ position }) => position !== null);
  return answers.sort((a, b) => b.position! - a.position!)[0]?.node ?? null;
}

/** How far a standby's log is; null when it does not run or answer. */
async function positionOf(state: ClusterState, node: number): Promise<number | null> {
  const spec = nodeSpec(state, pathsOf(state, node));
  if (!(await findServer(spec))) return null;
  const client = await connect(spec).catch(() => null);
  try {
    return client && (await receivedUpTo(client));
  } catch {
    return null;
  } finally {
    // Not waited for: it may hang by now.
    void client?.end().catch(() => undefined);
  }
}

/**
 * Notes that the node is the primary from now on, and that the one before is of no use until its data is made anew. Throws when the node may not
 * be promoted any more. The steps after it do what follows from the record, also after a crash.
 */
export async function makePrimary(state: ClusterState, node: number, reason: string): Promise<void> {
  const { journal } = state;
  state.failoverAt ??= Date.now();
  await announceNodes(state, 'failover-started', `${reason} ${nodeName(node)} takes over.`);
  await journal.update((record) => {
    if (roleOf(record, node) !== 'eligible')
      throw new Error(`The node ${nodeName(node)} may not be promoted any more.`);
    const others = record.standbys.filter((standby) => standby.node !== node);
    return {
      primary: node,
      generation: record.generation + 1,
      reads: null,
      // This one may run by another size.
      change: record.change && { ...record.change, stage: 'primary' as const },
      failover: { reason, begunAt: new Date().toISOString() },
      standbys: [
        { node: record.primary, role: 'stale' as const },
        ...others.map((standby) => (standby.role === 'stale' ? standby : { ...standby, role: 'following' as const })),
      ],
    };
  });
  state.server = null;
  state.promoted = false;
  state.fenced = false;
  state.mayStartPrimary = true;
  state.configured = false;
  // Another server: it is not to be waited for because this one died too often.
  state.serverRestarts.recovered();
}

/** No process of a node that is not the primary any more is left when one is promoted. */
export const fenceOthers: Step = {
  phase: 'recovering',
  detail: 'Ending the servers that were replaced',
  isDone: (state) => state.fenced || !isReplicated(state.journal.record),
  async run(state) {
    for (const node of nodesWith(state.journal.record, 'stale')) await fenceServer(pathsOf(state, node).data);
    state.fenced = true;
  },
};

/** The node that the record names takes writes, and the gateway sends them to it at once. */
export const promotePrimary: Step = {
  phase: 'starting',
  detail: 'Making the node the one that takes writes',
  isDone: (state) => state.promoted || !isReplicated(state.journal.record),
  async run(state) {
    const client = await connect(serverSpec(state));
    try {
      if (await isInRecovery(client)) await promote(client, PROMOTE_SECONDS);
      if (state.journal.record.failover) await proveWritable(client);
    } finally {
      await client.end().catch(() => undefined);
    }
    state.promoted = true;
    if (!state.journal.record.failover) {
      state.failoverAt = null;
      return;
    }
    state.applied.clear();
    state.rolesRevision = -1;
    // Its files may still be those of a standby.
    state.configurationLoaded = false;
    const moved = await moveGateway(state, state.held ? resumeSessions : reloadGateway).catch((error: unknown) => {
      state.context.log.warn({ cluster: state.journal.record.id, err: error }, 'the gateway is moved later');
      return null;
    });
    state.held = false;
    const begun = state.failoverAt ?? Date.parse(state.journal.record.failover.begunAt);
    const closed = moved && Object.values(moved.closed).reduce((sum, count) => sum + count, 0);
    state.failoverAt = null;
    state.failedOver = { milliseconds: Date.now() - begun, kept: moved?.kept ?? null, closed };
  },
};

/** The archive has all of the log that was left, and it is told that the failover is over. From then on the old data may go. */
export const finishFailover: Step = {
  phase: null,
  detail: 'Completing the archive after a failover',
  isDone: (state) => state.journal.record.failover === null,
  async run(state) {
    const { record } = state.journal;
    await completeArchive(state, nodesWith(record, 'stale'));
    const milliseconds = Date.now() - Date.parse(record.failover!.begunAt);
    const outcome = state.failedOver ?? { milliseconds, kept: null, closed: null };
    const what = `${nodeName(record.primary)} takes writes.`;
    await announceNodes(state, 'failover-completed', what, outcome);
    await state.journal.update(() => ({ failover: null }));
    state.failedOver = null;
    state.outcome = outcome;
  },
};
