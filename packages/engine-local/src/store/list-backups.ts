import type { Secret } from '@borealis/contract';
import type { StoredCluster } from '@borealis/engine';
import { CLUSTERS, ClusterBackup } from './cluster-backup.js';
import { describe } from './import-origin.js';
import type { ObjectStore } from './object-store.js';

/** A backup in a store: what it has, or a sentence that says why it cannot be used. */
export type ListedBackup = { name: string } & ({ cluster: StoredCluster } | { problem: string });

/** Everything that a store has, by name. Throws a `StoreError` when the store itself does not answer. */
export async function listBackups(store: ObjectStore, wrappingKey: Secret<Buffer>): Promise<ListedBackup[]> {
  const objects = await store.list(CLUSTERS);
  const names = [...new Set(objects.map(({ name }) => name.slice(CLUSTERS.length).split('/')[0]!))];
  return Promise.all(names.map((name) => look(store, name, wrappingKey)));
}

async function look(store: ObjectStore, name: string, wrappingKey: Secret<Buffer>): Promise<ListedBackup> {
  try {
    return { name, cluster: await describe(await ClusterBackup.open(store, name, wrappingKey)) };
  } catch (error) {
    return { name, problem: (error as Error).message };
  }
}
