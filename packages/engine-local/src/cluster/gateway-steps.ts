import type { GatewayMoved } from '@borealis/contract';
import { configDigest, writeGatewayConfig } from '../gateway/config-file.js';
import { reloadGateway } from '../gateway/control-client.js';
import { startGateway } from '../gateway/process.js';
import { issueGatewayCertificate } from './allotment.js';
import { upgradeGateway } from './gateway-upgrade.js';
import { type MovingCommand, meetGateways, tellGateways } from './gateways.js';
import type { ClusterRecord, GatewayRecord } from './record.js';
import { announceRecovery } from './recovery.js';
import type { ClusterState } from './state.js';
import type { Step } from './step.js';

const RENEW_BEFORE = 30 * 24 * 60 * 60 * 1000;

/** The gateway's part of the record; null for a cluster without one, whose gateway steps are all done. */
function gatewayOf(state: ClusterState): GatewayRecord | null {
  return state.journal.record.gateway;
}

const renewCertificate: Step = {
  phase: null,
  detail: 'Renewing the certificate',
  isDone: (state) => {
    const gateway = gatewayOf(state);
    return !gateway || Date.parse(gateway.tls.notAfter) - Date.now() > RENEW_BEFORE;
  },
  async run(state) {
    const tls = await issueGatewayCertificate(state.context, state.journal.record.id);
    await state.journal.update(({ gateway }) => ({ gateway: gateway && { ...gateway, tls } }));
  },
};

/** Gives every change of what the gateway runs by a revision of its own, before the file or the gateway know of it. */
const numberConfiguration: Step = {
  phase: null,
  detail: 'Preparing the configuration of the gateway',
  isDone: (state) => gatewayOf(state)?.digest === digestOf(state),
  async run(state) {
    await state.journal.update((record) => {
      if (!record.gateway) return {};
      const digest = configDigest(record, record.gateway, state.journal.paths);
      return { gateway: { ...record.gateway, revision: record.gateway.revision + 1, digest } };
    });
  },
};

const startGatewayProcess: Step = {
  phase: 'starting',
  detail: 'Waiting for the gateway to listen',
  isDone: (state) => gatewayOf(state) === null || state.gateway !== null,
  wait: (state) => state.gatewayRestarts.wait(Date.now()),
  async run(state) {
    await meetGateways(state);
    if (!state.gateway) await startNewGateway(state);
    state.gatewayRestarts.started(Date.now());
    if (state.gatewayRestarts.recovered()) await announceRecovery(state, 'The gateway was restarted');
  },
};

async function startNewGateway(state: ClusterState): Promise<void> {
  const { record, paths } = state.journal;
  const gateway = gatewayOf(state)!;
  const others = state.draining.map(({ pid }) => pid);
  await state.spool.closeOpenTunnels('gateway restarted', others);
  await writeGatewayConfig(record, gateway, paths, state.users?.gateway ?? undefined);
  state.gateway = await startGateway({
    program: state.context.program,
    directory: paths.gatewayLink,
    address: gateway.address,
    logFile: paths.gatewayLog,
    os: state.users?.gateway ?? null,
    onExit: state.wake,
  });
  state.gatewayProgram = { script: state.context.program.script, node: process.version };
  state.gatewayRevision = Math.min(state.gatewayRevision, gateway.revision);
}

const reloadGateways: Step = {
  phase: null,
  detail: 'Applying access in the gateway',
  isDone: (state) => {
    const gateway = gatewayOf(state);
    return !gateway || state.gatewayRevision === gateway.revision;
  },
  async run(state) {
    const { record, paths } = state.journal;
    const gateway = gatewayOf(state)!;
    await writeGatewayConfig(record, gateway, paths, state.users?.gateway ?? undefined);
    await tellGateways(state, reloadGateway);
    await meetGateways(state);
    if (state.gateway && state.gatewayRevision !== gateway.revision)
      throw new Error(`The gateway runs by revision ${state.gatewayRevision} instead of ${gateway.revision}.`);
  },
};

/**
 * Has the gateways run by the record at once; gives what became of the sessions. Null where none runs, or where they did already. What fails
 * here the steps do later.
 */
export async function moveGateway(state: ClusterState, ask: MovingCommand): Promise<GatewayMoved | null> {
  if (!state.gateway) return null;
  if (!numberConfiguration.isDone(state)) await numberConfiguration.run(state);
  if (reloadGateways.isDone(state)) return null;
  const { record, paths } = state.journal;
  const gateway = gatewayOf(state)!;
  await writeGatewayConfig(record, gateway, paths, state.users?.gateway ?? undefined);
  const moved = await tellGateways(state, ask);
  state.gatewayRevision = moved.revision;
  return moved;
}

const noteAccessInForce: Step = {
  phase: null,
  detail: 'Noting the access in force',
  isDone: ({ journal: { record } }) => record.accessInForce === (record.access?.revision ?? 0),
  async run(state) {
    // The document may have been replaced while the steps before ran: what was applied counts, not what is wanted.
    await state.journal.update(() => ({ accessInForce: state.rolesRevision }));
  },
};

const digests = new WeakMap<ClusterRecord, string>();

/** Every version of a record is an object of its own, so a digest is computed once a version. */
function digestOf(state: ClusterState): string | undefined {
  const { record, paths } = state.journal;
  if (!record.gateway) return undefined;
  const digest = digests.get(record) ?? configDigest(record, record.gateway, paths);
  digests.set(record, digest);
  return digest;
}

/** From a running PostgreSQL to a gateway that runs by the access document, in order. */
export const GATEWAY_STEPS: readonly Step[] = [
  renewCertificate,
  numberConfiguration,
  startGatewayProcess,
  reloadGateways,
  noteAccessInForce,
  upgradeGateway,
];
