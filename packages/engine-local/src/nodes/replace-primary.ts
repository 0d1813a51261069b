import { EngineError, type FailoverOutcome, type PrimaryReplacement } from '@borealis/engine';
import { fenceServer } from '@borealis/postgres';
import { holdGateways, tellGateways } from '../cluster/gateways.js';
import { noteLostServer } from '../cluster/observe.js';
import type { ClusterReconciler } from '../cluster/reconciler.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import type { Step } from '../cluster/step.js';
import { toEngineError } from '../errors.js';
import { resumeSessions } from '../gateway/control-client.js';
import { refuseDuringMajor } from '../major/refuse.js';
import { shortenPause } from '../restart/held-sessions.js';
import { nodesWith } from './roles.js';
import { findHeir, makePrimary } from './take-over.js';

/** So long a planned replacement waits for transactions to end before it leaves everything as it is. */
const REST_SECONDS = 10;

/** A replacement that somebody waits for. */
export interface Replacement {
  how: PrimaryReplacement;
  /** Why it was not done; null as long as nothing is known against it. */
  refusal: EngineError | null;
  /** True from when it was taken up. */
  begun: boolean;
}

/** As `Engine.replacePrimary`. */
export async function replacePrimary(cluster: ClusterReconciler, how: PrimaryReplacement): Promise<FailoverOutcome> {
  const { state } = cluster;
  const { generation } = state.journal.record;
  if (state.replacement) throw new EngineError('conflict', 'The primary is being replaced already.');
  refuseDuringMajor(state.journal.record);
  refuseWithoutHeir(state);
  const replacement: Replacement = { how, refusal: null, begun: false };
  state.replacement = replacement;
  state.wake();
  try {
    return await cluster.until(() => {
      if (replacement.refusal) throw replacement.refusal;
      if (cluster.stopped || cluster.gone) throw new EngineError('unavailable', 'The keeper is stopping.');
      const { record } = state.journal;
      if (record.generation > generation) return record.failover === null ? (state.outcome ?? undefined) : undefined;
      if (replacement.begun && state.server && state.phase === 'ready')
        throw new EngineError('not_ready', 'No standby took over in the end: the primary was started again.');
      return undefined;
    });
  } finally {
    state.replacement = null;
  }
}

function refuseWithoutHeir({ journal: { record } }: ClusterState): void {
  if (nodesWith(record, 'eligible').length === 0)
    throw new EngineError('not_ready', `No standby of "${record.id}" has everything now, so none can take over.`);
}

/** The last of all steps: only a cluster that lacks nothing else has its primary replaced. */
export const replaceOnDemand: Step = {
  phase: null,
  detail: 'Having a standby take the place of the primary',
  isDone: ({ replacement }) => replacement === null || replacement.begun,
  async run(state) {
    const replacement = state.replacement!;
    replacement.begun = true;
    try {
      refuseWithoutHeir(state);
      // As an accident would have it: what follows is for those who watch over the primary.
      if (replacement.how === 'planned') return await switchOver(state);
      await fenceServer(state.journal.paths.data);
      noteLostServer(state);
    } catch (error) {
      replacement.refusal = toEngineError(error);
    }
  },
};

/** Sessions rest in the gateway while another node takes the primary's place. Throws when they do not come to rest; then all is as it was. */
async function switchOver(state: ClusterState): Promise<void> {
  // What is written now the new primary need not write when it begins.
  await shortenPause(state, serverSpec(state));
  if (state.gateway) await hold(state);
  try {
    const heir = await findHeir(state);
    if (heir === null) throw new EngineError('not_ready', 'The standby that was to take over was lost.');
    state.failoverAt = Date.now();
    await makePrimary(state, heir, 'The primary is replaced as planned.');
  } catch (error) {
    state.held = false;
    state.failoverAt = null;
    if (state.gateway) await tellGateways(state, resumeSessions);
    throw error;
  }
}

async function hold(state: ClusterState): Promise<void> {
  try {
    await holdGateways(state, { seconds: REST_SECONDS, late: 'abort' });
    state.held = true;
  } catch (error) {
    throw new EngineError('not_ready', `Sessions did not come to rest: ${(error as Error).message}`, { cause: error });
  }
}
