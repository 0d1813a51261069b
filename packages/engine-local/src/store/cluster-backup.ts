import type { Secret } from '@borealis/contract';
import { isWalFile } from '../archive/wal-names.js';
import type { ObjectStore } from './object-store.js';
import { readKey, SealedPlace } from './sealed-place.js';

const WAL = 'wal/';

/** Where a store keeps clusters, one directory each. */
export const CLUSTERS = 'clusters/';

/** What a store has of one cluster, which is enough to make it anew. */
export class ClusterBackup extends SealedPlace {
  constructor(
    store: ObjectStore,
    /** Unique over all homes that use the store. */
    readonly id: string,
    key: Secret<Buffer>,
  ) {
    super(store, `${CLUSTERS}${id}/`, key);
  }

  /** Opens what a store has of that cluster; throws as `readKey`. */
  static async open(store: ObjectStore, id: string, wrappingKey: Secret<Buffer>): Promise<ClusterBackup> {
    return new ClusterBackup(store, id, await readKey(store, `${CLUSTERS}${id}/`, wrappingKey));
  }

  /** When each file of WAL came into the store. */
  async walTimes(): Promise<Date[]> {
    return (await this.store.list(`${this.prefix}${WAL}`)).map(({ at }) => at);
  }

  /** Files of WAL that are in the store, by PostgreSQL's own names, sorted. */
  async walNames(): Promise<string[]> {
    return (await this.names(WAL)).map((name) => name.slice(WAL.length)).filter(isWalFile);
  }

  /** The archive has sealed its files under their own names. */
  protected override sealName(name: string): string {
    return name.startsWith(WAL) ? name.slice(WAL.length) : name;
  }
}

/** How an archived file of WAL is called in a backup. */
export function walObject(name: string): string {
  return WAL + name;
}
