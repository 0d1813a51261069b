import { rm } from 'node:fs/promises';
import type { ClusterOrigin } from '@borealis/engine';
import { adoptCopy, connect, copiedBytes, copyServer, placeDataDirectory } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import type { Step } from '../cluster/step.js';
import { fetchBase } from '../store/import-origin.js';
import { copyPast } from './past.js';
import { pendingOrigin } from './pending-origin.js';
import { requireRoom } from './room.js';
import { findSource, runningSource, settledSource } from './source.js';

/** The data directory of a cluster that begins as a copy. Without an origin it is made by the step after this one. */
export const copyOrigin: Step = {
  phase: 'copying',
  detail: 'Copying the data',
  isDone: (state) => state.dataReady || pendingOrigin(state.journal.record) === null,
  async run(state) {
    const origin = pendingOrigin(state.journal.record)!;
    await placeDataDirectory(serverSpec(state), (data) =>
      origin.fromStore ? fetchBase(state, origin, data) : copyFrom(state, origin, data),
    );
    state.dataReady = true;
  },
};

async function copyFrom(state: ClusterState, { clusterId, moment }: ClusterOrigin, data: string): Promise<void> {
  const source = await (moment === null ? runningSource : settledSource)(state, clusterId);
  const started = Date.now();
  const onProgress = (copied: number, total: number) => {
    state.detail = `Copying the data: ${inMegabytes(copied)} of ${inMegabytes(total)} MB`;
  };
  const copying =
    moment === null ? copyPresent(state, source, data, onProgress) : copyPast(state, source, moment, data, onProgress);
  const { method, bytes } = await copying.catch((error: unknown) => {
    state.ending.throwIfAborted();
    findSource(state, clusterId);
    throw error;
  });
  state.context.log.info(
    { cluster: state.journal.record.id, source: clusterId, method, bytes, milliseconds: Date.now() - started },
    'a cluster was copied',
  );
}

async function copyPresent(
  state: ClusterState,
  source: ClusterState,
  data: string,
  onProgress: (copied: number, total: number) => void,
): ReturnType<typeof copyServer> {
  await requireRoom(source, await copiedBytes(source.journal.paths.data));
  const to = state.users?.postgres ?? null;
  return copyServer(serverSpec(source), data, { to, signal: state.ending, onProgress });
}

const inMegabytes = (bytes: number) => Math.round(bytes / 1_000_000);

/** Makes a copied server the cluster's own, before anybody but the keeper can log in. Its birth is noted with it. */
export const adoptOrigin: Step = {
  phase: 'starting',
  detail: 'Giving the copy names and passwords of its own',
  isDone: (state) => pendingOrigin(state.journal.record) === null,
  async run(state) {
    const { record, paths } = state.journal;
    const { renames } = pendingOrigin(record)!;
    const spec = serverSpec(state);
    await adoptCopy((database) => connect(spec, database), { superuser: spec.superuser, ...renames });
    for (const path of [paths.walStage, paths.walLeft]) await rm(path, { recursive: true, force: true });
    await state.journal.update(() => ({ born: true }));
    // From now on its files let in whom they always do.
    state.configured = false;
  },
};
