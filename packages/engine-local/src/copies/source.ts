import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '@borealis/engine';
import type { ClusterState } from '../cluster/state.js';

const LOOK_MS = 200;

/** The cluster that this one is made from; throws when there is none any more. */
export function findSource(state: ClusterState, clusterId: string): ClusterState {
  const source = state.others().find(({ journal }) => journal.record.id === clusterId);
  if (source?.journal.record.wanted === 'present') return source;
  throw new EngineError('not_found', `The cluster "${clusterId}", which was to be copied, is gone.`);
}

/** Waits as long as the source is on its way or down; throws when there is none any more. */
export async function runningSource(state: ClusterState, clusterId: string): Promise<ClusterState> {
  for (;;) {
    state.ending.throwIfAborted();
    const source = findSource(state, clusterId);
    if (source.server && source.journal.record.born) return source;
    state.detail = `Waiting for the cluster "${clusterId}", which is to be copied: ${source.detail}`;
    await sleep(LOOK_MS);
  }
}

/** The same, but one whose server has trouble to start is given, too: what is in its bases and its log is there without it. */
export async function settledSource(state: ClusterState, clusterId: string): Promise<ClusterState> {
  for (;;) {
    state.ending.throwIfAborted();
    const source = findSource(state, clusterId);
    const { born, rebuild } = source.journal.record;
    if (born && (source.server || source.trouble || rebuild)) return source;
    state.detail = `Waiting for the cluster "${clusterId}", which is to be copied: ${source.detail}`;
    await sleep(LOOK_MS);
  }
}

/** True while another cluster is being made from this one: then nothing that it may need is removed. */
export function isBeingCopied({ journal, others }: ClusterState): boolean {
  return others().some(
    ({ journal: { record } }) => !record.born && record.spec.origin?.clusterId === journal.record.id,
  );
}
