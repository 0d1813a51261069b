import type { ClusterState as PublicState } from '@borealis/engine';
import type { ClusterState } from './state.js';

/** What the engine's callers see of a cluster: no path, no secret. */
export function publicState(state: ClusterState): PublicState {
  const { record } = state.journal;
  const { gateway } = record;
  return {
    id: record.id,
    spec: record.spec,
    specInForce: record.change === null,
    changeFailure: record.changeFailure,
    phase: record.wanted === 'gone' ? 'destroying' : state.phase,
    detail: state.detail,
    version: record.version,
    build: record.build,
    gateway: gateway && { host: gateway.address.host, port: gateway.address.port, hostKey: gateway.hostKeyPublic },
    accessRevision: record.accessInForce,
  };
}
