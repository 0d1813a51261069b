import { setTimeout as sleep } from 'node:timers/promises';
import { type ClusterOrigin, EngineError } from '@borealis/engine';
import { adoptCopy, connect, copyServer, placeDataDirectory } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import type { Step } from '../cluster/step.js';
import { pendingOrigin } from './pending-origin.js';

const SOURCE_LOOK_MS = 200;

/** The data directory of a cluster that begins as a copy. Without an origin it is made by the step after this one. */
export const copyOrigin: Step = {
  phase: 'copying',
  detail: 'Copying the data',
  isDone: (state) => state.dataReady || pendingOrigin(state.journal.record) === null,
  async run(state) {
    const origin = pendingOrigin(state.journal.record)!;
    await placeDataDirectory(serverSpec(state), (data) => copyPresent(state, origin, data));
    state.dataReady = true;
  },
};

async function copyPresent(state: ClusterState, { clusterId }: ClusterOrigin, data: string): Promise<void> {
  const source = await untilItRuns(state, clusterId);
  const started = Date.now();
  const onProgress = (copied: number, total: number) => {
    state.detail = `Copying the data: ${inMegabytes(copied)} of ${inMegabytes(total)} MB`;
  };
  const to = state.users?.postgres ?? null;
  const { method, bytes } = await copyServer(serverSpec(source), data, { to, signal: state.ending, onProgress }).catch(
    (error: unknown) => {
      state.ending.throwIfAborted();
      findSource(state, clusterId);
      throw error;
    },
  );
  state.context.log.info(
    { cluster: state.journal.record.id, source: clusterId, method, bytes, milliseconds: Date.now() - started },
    'a cluster was copied',
  );
}

/** Waits as long as the source is on its way or down; throws when there is none any more. */
async function untilItRuns(state: ClusterState, clusterId: string): Promise<ClusterState> {
  for (;;) {
    state.ending.throwIfAborted();
    const source = findSource(state, clusterId);
    if (source.server && source.journal.record.born) return source;
    state.detail = `Waiting for the cluster "${clusterId}", which is to be copied: ${source.detail}`;
    await sleep(SOURCE_LOOK_MS);
  }
}

function findSource(state: ClusterState, clusterId: string): ClusterState {
  const source = state.findOther(clusterId);
  if (source?.journal.record.wanted === 'present') return source;
  throw new EngineError('not_found', `The cluster "${clusterId}", which was to be copied, is gone.`);
}

const inMegabytes = (bytes: number) => Math.round(bytes / 1_000_000);

/** Makes a copied server the cluster's own, before anybody but the keeper can log in. Its birth is noted with it. */
export const adoptOrigin: Step = {
  phase: 'starting',
  detail: 'Giving the copy names and passwords of its own',
  isDone: (state) => pendingOrigin(state.journal.record) === null,
  async run(state) {
    const { renames } = pendingOrigin(state.journal.record)!;
    const spec = serverSpec(state);
    await adoptCopy((database) => connect(spec, database), { superuser: spec.superuser, ...renames });
    await state.journal.update(() => ({ born: true }));
    // From now on its files let in whom they always do.
    state.configured = false;
  },
};
