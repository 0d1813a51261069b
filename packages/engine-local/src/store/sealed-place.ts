import { Secret } from '@borealis/contract';
import { openStream, sealStream } from '../archive/sealed-stream.js';
import { type ObjectStore, StoreError } from './object-store.js';

const KEY = 'key';

/**
 * A directory in a store: a key, wrapped, and everything else sealed with it. With the wrapping key all of it can be read; without the key
 * nobody reads any of it.
 */
export class SealedPlace {
  constructor(
    readonly store: ObjectStore,
    /** Begins the names of its objects; ends with a slash. */
    readonly prefix: string,
    private readonly key: Secret<Buffer>,
  ) {}

  /** Makes sure that the key is in the store, under this wrapping key. */
  async putKey(wrappingKey: Secret<Buffer>): Promise<void> {
    const found = await readAll(openKey(this.store, this.prefix, wrappingKey)).catch((error: unknown) => {
      if (error instanceof StoreError && error.fault !== 'missing' && error.fault !== 'damaged') throw error;
      return null;
    });
    if (found?.equals(this.key.reveal())) return;
    const name = this.prefix + KEY;
    await this.store.put(name, sealStream(once(this.key.reveal()), { key: wrappingKey, name }));
  }

  /** Seals the content on its way into the store. */
  async put(name: string, content: AsyncIterable<Buffer>): Promise<void> {
    await this.putSealed(name, sealStream(content, this.#seal(name)));
  }

  /** Puts what is sealed with the key already. */
  async putSealed(name: string, sealed: AsyncIterable<Buffer>): Promise<void> {
    await this.store.put(this.prefix + name, sealed);
  }

  /** What was put; throws as `ObjectStore.get`, and a `SealedFileError` unless it was sealed under this name. */
  get(name: string): AsyncGenerator<Buffer> {
    const object = this.prefix + name;
    return openStream(this.store.get(object), this.#seal(name), `${this.store.location}/${object}`);
  }

  async text(name: string): Promise<string> {
    return (await readAll(this.get(name))).toString();
  }

  async putText(name: string, text: string): Promise<void> {
    await this.put(name, once(Buffer.from(text)));
  }

  /** The names of all that is there and begins like this. */
  async names(prefix = ''): Promise<string[]> {
    const found = await this.store.list(this.prefix + prefix);
    return found.map(({ name }) => name.slice(this.prefix.length));
  }

  async remove(name: string): Promise<void> {
    await this.store.remove(this.prefix + name);
  }

  async removeUnfinished(prefix: string): Promise<void> {
    await this.store.removeUnfinished(this.prefix + prefix);
  }

  /** The name under which an object is sealed, where that is not its own. */
  protected sealName(name: string): string {
    return name;
  }

  #seal(name: string): { key: Secret<Buffer>; name: string } {
    return { key: this.key, name: this.sealName(name) };
  }
}

/**
 * The key of a place; throws a `StoreError` (`missing`) when there is none, a `SealedFileError` when the wrapping key is another or the key
 * was changed.
 */
export async function readKey(
  store: ObjectStore,
  prefix: string,
  wrappingKey: Secret<Buffer>,
): Promise<Secret<Buffer>> {
  const key = new Secret(await readAll(openKey(store, prefix, wrappingKey)));
  if (key.reveal().length !== 32)
    throw new StoreError('damaged', `The key of the backup "${prefix.split('/')[1]}" is not one.`);
  return key;
}

function openKey(store: ObjectStore, prefix: string, wrappingKey: Secret<Buffer>): AsyncGenerator<Buffer> {
  const name = prefix + KEY;
  return openStream(store.get(name), { key: wrappingKey, name }, `${store.location}/${name}`);
}

/**
 * Removes everything that begins like this, keys first: what is left after a kill can be read by nobody. False when there was nothing.
 */
export async function removePlaces(store: ObjectStore, prefix: string): Promise<boolean> {
  const names = (await store.list(prefix)).map(({ name }) => name);
  const isKey = (name: string) => name.endsWith(`/${KEY}`);
  for (const name of names.filter(isKey)) await store.remove(name);
  for (const name of names.filter((other) => !isKey(other))) await store.remove(name);
  await store.removeUnfinished(prefix);
  return names.length > 0;
}

async function readAll(content: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts);
}

async function* once(content: Buffer): AsyncGenerator<Buffer> {
  yield content;
}
