import type { GatewayUpgrade } from '@borealis/engine';
import { writeGatewayConfig } from '../gateway/config-file.js';
import { requestHandOver } from '../gateway/control-client.js';
import { askGateway, meetGateways } from './gateways.js';
import type { ClusterState } from './state.js';
import type { Step } from './step.js';

/** A call that waits for a new gateway. */
export interface GatewayUpgradeRequest {
  outcome: GatewayUpgrade | Error | null;
}

const RETRY_MS = 10 * 60_000;

/** One gateway of another release is replaced after the other, each so long after the one before. */
const SPREAD_MS = 1000;

/** Whose turn it is to have its gateway replaced, among all clusters of the home. */
export class UpgradeTurns {
  #taken = false;
  #freeAt = 0;

  get free(): boolean {
    return !this.#taken && Date.now() >= this.#freeAt;
  }

  async take(work: () => Promise<void>): Promise<void> {
    this.#taken = true;
    try {
      await work();
    } finally {
      this.#taken = false;
      this.#freeAt = Date.now() + SPREAD_MS;
    }
  }
}

/**
 * A new process takes over the listening socket, and the one before goes on with the tunnels it has: because somebody asked for it, or
 * because it runs another release than this keeper would start.
 */
export const upgradeGateway: Step = {
  phase: null,
  detail: 'Letting a new gateway take over',
  isDone: (state) => state.gatewayUpgrade === null && !(isOutdated(state) && isItsTurn(state)),
  async run(state) {
    const request = state.gatewayUpgrade;
    state.gatewayUpgrade = null;
    state.gatewayUpgradeDueAt = Date.now() + RETRY_MS;
    try {
      await state.context.gatewayUpgrades.take(async () => {
        const outcome = await handOver(state);
        if (request) request.outcome = outcome;
      });
    } catch (error) {
      // The one that was to be replaced serves on: whoever asked is told, and nothing is wrong with the cluster.
      if (request) request.outcome = error as Error;
      const { id } = state.journal.record;
      state.context.log.error({ cluster: id, err: error }, 'no new gateway could take over; the old one goes on');
    }
  },
};

async function handOver(state: ClusterState): Promise<GatewayUpgrade> {
  const { record, paths } = state.journal;
  const { program, options } = state.context;
  const before = state.gateway!;
  await writeGatewayConfig(record, record.gateway!, paths, state.users?.gateway ?? undefined);
  const drainSeconds = options.gatewayDrainSeconds ?? 24 * 3600;
  await askGateway(state, before, (directory, pid) => requestHandOver(directory, program, drainSeconds, pid));
  const met = await meetGateways(state);
  if (state.gateway?.pid === before.pid) throw new Error('The gateway did not let another one take over.');
  state.gatewayRestarts.started(Date.now());
  const draining = met.flatMap(({ tunnels, draining }) => (draining ? [{ tunnels: tunnels.length, ...draining }] : []));
  return { draining: draining.map(({ tunnels, until }) => ({ tunnels, until })) };
}

/** True when the gateway that accepts connections is not what this keeper would start. */
function isOutdated({ gatewayProgram: runs, context: { program }, gateway }: ClusterState): boolean {
  return gateway !== null && runs !== null && (runs.script !== program.script || runs.node !== process.version);
}

function isItsTurn({ phase, gatewayUpgradeDueAt, context }: ClusterState): boolean {
  return phase === 'ready' && Date.now() >= gatewayUpgradeDueAt && context.gatewayUpgrades.free;
}
