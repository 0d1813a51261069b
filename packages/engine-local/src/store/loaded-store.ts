import type { ObjectStore, StoredObject } from './object-store.js';

/** A store whose code is loaded when it is first used: nobody waits for a large library that he does not need. */
export class LoadedStore implements ObjectStore {
  #store: Promise<ObjectStore> | null = null;

  constructor(
    readonly location: string,
    private readonly load: () => Promise<ObjectStore>,
  ) {}

  async put(name: string, content: AsyncIterable<Buffer>): Promise<void> {
    await (await this.#loaded()).put(name, content);
  }

  async *get(name: string): AsyncGenerator<Buffer> {
    yield* (await this.#loaded()).get(name);
  }

  async list(prefix: string): Promise<StoredObject[]> {
    return (await this.#loaded()).list(prefix);
  }

  async remove(name: string): Promise<void> {
    await (await this.#loaded()).remove(name);
  }

  async removeUnfinished(prefix: string): Promise<void> {
    await (await this.#loaded()).removeUnfinished(prefix);
  }

  #loaded(): Promise<ObjectStore> {
    this.#store ??= this.load();
    return this.#store;
  }
}
