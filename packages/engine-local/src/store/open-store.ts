import { randomBytes } from 'node:crypto';
import { isAbsolute } from 'node:path';
import { DirectoryStore } from './directory-store.js';
import { LoadedStore } from './loaded-store.js';
import { type ObjectStore, readObject, StoreError } from './object-store.js';
import { parseS3Place, type S3Place, showS3Place } from './s3-place.js';

/** One of each place: it has connections and credentials that are worth keeping. */
const opened = new Map<string, ObjectStore>();

/**
 * The store at that place: an absolute path, or `s3://bucket/prefix`. Throws a `StoreError` for what is no place; whether it can be used
 * shows later.
 */
export function openStore(location: string): ObjectStore {
  if (isAbsolute(location)) return new DirectoryStore(location.replace(/(.)\/+$/, '$1'));
  const place = parseS3Place(location);
  if (place) return openS3(place);
  throw new StoreError('refused', 'This is no store: give the path of a directory, or s3://bucket/prefix.');
}

function openS3(place: S3Place): ObjectStore {
  const location = showS3Place(place);
  const store = opened.get(location) ?? new LoadedStore(location, () => loadS3(place));
  opened.set(location, store);
  return store;
}

async function loadS3(place: S3Place): Promise<ObjectStore> {
  const { S3Store } = await import('./s3-store.js');
  return new S3Store(place);
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
