/**
 * What must survive the machine is kept here: objects with names like `clusters/one/key`, each of them there as a whole or not at all. A
 * store keeps a checksum with each object. It knows nothing of what it keeps, which is sealed before it comes.
 */
export interface ObjectStore {
  /** What it is, for people; without any secret. */
  readonly location: string;

  /** Puts an object in the place of what has that name; when it returns, the object survives the loss of power. */
  put(name: string, content: AsyncIterable<Buffer>): Promise<void>;

  /**
   * The content of an object. That all of it is what was put is certain only at the end. Throws a `StoreError`: `missing` when there is none,
   * `damaged` when it is not what was put.
   */
  get(name: string): AsyncGenerator<Buffer>;

  /** All objects whose names begin like this, sorted by name. */
  list(prefix: string): Promise<StoredObject[]>;

  /** Removes an object; no error when there is none. */
  remove(name: string): Promise<void>;

  /** Removes what killed processes have left of objects with such names. Only to be called while none of them is being put. */
  removeUnfinished(prefix: string): Promise<void>;
}

export interface StoredObject {
  name: string;
  /** What it takes in the store. */
  bytes: number;
  /** When it was put. */
  at: Date;
}

export type StoreFault = 'missing' | 'damaged' | 'unavailable' | 'refused' | 'full';

/** Why a store did not do what it was asked for, in one sentence. */
export class StoreError extends Error {
  constructor(
    readonly fault: StoreFault,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'StoreError';
  }
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;

/** Throws for what is no object's name: a wrong one must never lead out of the store. */
export function checkName(name: string): string {
  if (name.length > 512 || !NAME.test(name)) throw new Error(`BUG: "${name}" is not the name of an object`);
  return name;
}

/** The whole content of a small object. */
export async function readObject(store: ObjectStore, name: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of store.get(name)) parts.push(part);
  return Buffer.concat(parts);
}
