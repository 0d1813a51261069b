import { Secret } from '@borealis/contract';
import { openStream, sealStream } from '../archive/sealed-stream.js';
import { isWalFile } from '../archive/wal-names.js';
import { type ObjectStore, StoreError } from './object-store.js';

const KEY = 'key';
const WAL = 'wal/';

/** Where a store keeps clusters, one directory each. */
export const CLUSTERS = 'clusters/';

/**
 * What a store has of one cluster: its key, wrapped, and everything else sealed with it. With the wrapping key that is enough to make the
 * cluster anew; without the key nobody reads any of it.
 */
export class ClusterBackup {
  readonly #prefix: string;

  constructor(
    readonly store: ObjectStore,
    /** Unique over all homes that use the store. */
    readonly id: string,
    private readonly key: Secret<Buffer>,
  ) {
    this.#prefix = `${CLUSTERS}${id}/`;
  }

  /**
   * Opens what a store has of that cluster; throws a `StoreError` (`missing`) when there is nothing, a `SealedFileError` when the wrapping key
   * is another or the key was changed.
   */
  static async open(store: ObjectStore, id: string, wrappingKey: Secret<Buffer>): Promise<ClusterBackup> {
    const key = new Secret(await readAll(openKey(store, id, wrappingKey)));
    if (key.reveal().length !== 32) throw new StoreError('damaged', `The key of the backup "${id}" is not one.`);
    return new ClusterBackup(store, id, key);
  }

  /** Makes sure that the cluster's key is in the store, under this wrapping key. */
  async putKey(wrappingKey: Secret<Buffer>): Promise<void> {
    const found = await readAll(openKey(this.store, this.id, wrappingKey)).catch((error: unknown) => {
      if (error instanceof StoreError && error.fault !== 'missing' && error.fault !== 'damaged') throw error;
      return null;
    });
    if (found?.equals(this.key.reveal())) return;
    const name = this.#prefix + KEY;
    await this.store.put(name, sealStream(once(this.key.reveal()), { key: wrappingKey, name }));
  }

  /** Seals the content on its way into the store. */
  async put(name: string, content: AsyncIterable<Buffer>): Promise<void> {
    await this.putSealed(name, sealStream(content, this.#seal(name)));
  }

  /** Puts what is sealed with the cluster's key already. */
  async putSealed(name: string, sealed: AsyncIterable<Buffer>): Promise<void> {
    await this.store.put(this.#prefix + name, sealed);
  }

  /** What was put; throws as `ObjectStore.get`, and a `SealedFileError` unless it was sealed under this name. */
  get(name: string): AsyncGenerator<Buffer> {
    const object = this.#prefix + name;
    return openStream(this.store.get(object), this.#seal(name), `${this.store.location}/${object}`);
  }

  async text(name: string): Promise<string> {
    return (await readAll(this.get(name))).toString();
  }

  /** The names of all that is there and begins like this. */
  async names(prefix = ''): Promise<string[]> {
    const found = await this.store.list(this.#prefix + prefix);
    return found.map(({ name }) => name.slice(this.#prefix.length));
  }

  async remove(name: string): Promise<void> {
    await this.store.remove(this.#prefix + name);
  }

  async removeUnfinished(prefix: string): Promise<void> {
    await this.store.removeUnfinished(this.#prefix + prefix);
  }

  /** When each file of WAL came into the store. */
  async walTimes(): Promise<Date[]> {
    return (await this.store.list(`${this.#prefix}${WAL}`)).map(({ at }) => at);
  }

  /** Files of WAL that are in the store, by PostgreSQL's own names, sorted. */
  async walNames(): Promise<string[]> {
    return (await this.names(WAL)).map((name) => name.slice(WAL.length)).filter(isWalFile);
  }

  /** The archive has sealed its files under their own names. */
  #seal(name: string): { key: Secret<Buffer>; name: string } {
    return { key: this.key, name: name.startsWith(WAL) ? name.slice(WAL.length) : name };
  }
}

/** How an archived file of WAL is called in a backup. */
export function walObject(name: string): string {
  return WAL + name;
}

function openKey(store: ObjectStore, id: string, wrappingKey: Secret<Buffer>): AsyncGenerator<Buffer> {
  const name = `${CLUSTERS}${id}/${KEY}`;
  return openStream(store.get(name), { key: wrappingKey, name }, `${store.location}/${name}`);
}

/** Removes everything that a store has of a cluster, its key first: what is left after a kill can be read by nobody. */
export async function removeBackup(store: ObjectStore, id: string): Promise<void> {
  const prefix = `${CLUSTERS}${id}/`;
  await store.remove(prefix + KEY);
  for (const { name } of await store.list(prefix)) await store.remove(name);
  await store.removeUnfinished(prefix);
}

async function readAll(content: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts);
}

async function* once(content: Buffer): AsyncGenerator<Buffer> {
  yield content;
}
