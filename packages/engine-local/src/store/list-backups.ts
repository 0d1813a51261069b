import type { Secret } from '@borealis/contract';
import type { StoredCluster, StoredDatabase } from '@borealis/engine';
import { CLUSTERS, ClusterBackup } from './cluster-backup.js';
import { describePlace } from './dump-origin.js';
import { DATABASES, DumpPlace } from './dump-place.js';
import { describe } from './import-origin.js';
import type { ObjectStore } from './object-store.js';

/** A backup in a store: what it has of a cluster or of a database, or a sentence that says why it cannot be used. */
export type ListedBackup = { name: string } & (
  | { cluster: StoredCluster }
  | { database: StoredDatabase }
  | { problem: string }
);

/** Everything that a store has: clusters, then databases, by name. Throws a `StoreError` when the store itself does not answer. */
export async function listBackups(store: ObjectStore, wrappingKey: Secret<Buffer>): Promise<ListedBackup[]> {
  const clusters = (await namesIn(store, CLUSTERS)).map((name) =>
    explained(name, async () => ({ cluster: await describe(await ClusterBackup.open(store, name, wrappingKey)) })),
  );
  const databases = (await namesIn(store, DATABASES)).map((name) =>
    explained(name, async () => ({ database: await describePlace(await DumpPlace.open(store, name, wrappingKey)) })),
  );
  return Promise.all([...clusters, ...databases]);
}

/** When something of a backup came there last; null when there is none. */
export async function newestInStore(store: ObjectStore): Promise<Date | null> {
  const objects = [...(await store.list(CLUSTERS)), ...(await store.list(DATABASES))];
  const newest = objects.reduce((latest, { at }) => Math.max(latest, at.getTime()), 0);
  return newest === 0 ? null : new Date(newest);
}

async function namesIn(store: ObjectStore, place: string): Promise<string[]> {
  const objects = await store.list(place);
  return [...new Set(objects.map(({ name }) => name.slice(place.length).split('/')[0]!))];
}

async function explained<T extends object>(name: string, look: () => Promise<T>) {
  try {
    return { name, ...(await look()) };
  } catch (error) {
    return { name, problem: (error as Error).message };
  }
}
