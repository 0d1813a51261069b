import type { ClusterSpec, Engine } from '@borealis/engine';
import type { Addon } from '../addons/addon-store.js';
import { clusterSpec } from '../addons/cluster-store.js';

/** True when both give a cluster the same nodes, processors, memory and storage. */
export function isSameSize(one: ClusterSpec, other: ClusterSpec): boolean {
  return (['nodes', 'vcpu', 'memoryGiB', 'storageGiB'] as const).every((what) => one[what] === other[what]);
}

/** Asks for the size of the add-on's own plan, in which its cluster is not when another plan had begun and nothing came of it. Throws as the engine does. */
export async function bringBackSize(engine: Engine, addon: Addon): Promise<void> {
  await engine.changeCluster(addon.cluster_id, clusterSpec(addon, null));
}
