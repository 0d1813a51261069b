/**
 * The part of the Reflect metadata API that @peculiar/x509's container asks for at load time. Import it before that package.
 * Metadata is looked up along the prototype chain, as the original proposal has it.
 */
type Store = Map<unknown, unknown>;

const stores = new WeakMap<object, Store>();

function getOwnMetadata(key: unknown, target: object): unknown {
  return stores.get(target)?.get(key);
}

function getMetadata(key: unknown, target: object): unknown {
  for (let holder: object | null = target; holder; holder = Object.getPrototypeOf(holder))
    if (stores.get(holder)?.has(key)) return getOwnMetadata(key, holder);
  return undefined;
}

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const store = stores.get(target) ?? new Map<unknown, unknown>();
  stores.set(target, store.set(key, value));
}

function metadata(key: unknown, value: unknown): (target: object) => void {
  return (target) => defineMetadata(key, value, target);
}

// A complete implementation that is already loaded stays.
if (!('getMetadata' in Reflect)) Object.assign(Reflect, { getOwnMetadata, getMetadata, defineMetadata, metadata });

export {};
