import { randomBytes } from 'node:crypto';
import { isAbsolute } from 'node:path';
import { DirectoryStore } from './directory-store.js';
import { type ObjectStore, readObject, StoreError } from './object-store.js';

/** The store at that place: an absolute path. Throws a `StoreError` for what is no place; whether it can be used shows later. */
export function openStore(location: string): ObjectStore {
  if (isAbsolute(location)) return new DirectoryStore(location.replace(/(.)\/+$/, '$1'));
  throw new StoreError('refused', `"${location}" is no store: give the path of a directory.`);
}

/** Throws a `StoreError` unless objects can be put, listed, read and removed there. */
export async function tryStore(store: ObjectStore): Promise<void> {
  const name = `trials/${randomBytes(8).toString('hex')}`;
  const content = randomBytes(64);
  await store.put(name, one(content));
  try {
    if (!(await readObject(store, name)).equals(content))
      throw new StoreError('damaged', `The store ${store.location} does not give back what was put there.`);
    if (!(await store.list('trials/')).some((object) => object.name === name))
      throw new StoreError('damaged', `The store ${store.location} does not list what was put there.`);
  } finally {
    await store.remove(name);
  }
}

async function* one(content: Buffer): AsyncGenerator<Buffer> {
  yield content;
}
