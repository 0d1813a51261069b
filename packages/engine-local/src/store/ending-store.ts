import type { ObjectStore, StoredObject } from './object-store.js';
import { openStore } from './open-store.js';

/**
 * A store whose calls end when the signal says so, with its reason, however long the service behind it is silent. What is under way there may
 * still come to its end.
 */
export class EndingStore implements ObjectStore {
  constructor(
    private readonly store: ObjectStore,
    private readonly signal: AbortSignal,
  ) {}

  get location(): string {
    return this.store.location;
  }

  put(name: string, content: AsyncIterable<Buffer>): Promise<void> {
    return this.#unlessEnded(() => this.store.put(name, endingWith(content, this.signal)));
  }

  async *get(name: string): AsyncGenerator<Buffer> {
    const content = this.store.get(name);
    try {
      for (;;) {
        const { done, value } = await this.#unlessEnded(() => content.next());
        if (done) return;
        yield value;
      }
    } finally {
      // One that waits for the service takes the end in when that answers.
      const ended = content.return(undefined).catch(() => undefined);
      if (!this.signal.aborted) await ended;
    }
  }

  list(prefix: string): Promise<StoredObject[]> {
    return this.#unlessEnded(() => this.store.list(prefix));
  }

  remove(name: string): Promise<void> {
    return this.#unlessEnded(() => this.store.remove(name));
  }

  removeUnfinished(prefix: string): Promise<void> {
    return this.#unlessEnded(() => this.store.removeUnfinished(prefix));
  }

  async #unlessEnded<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this;
    signal.throwIfAborted();
    const result = work();
    result.catch(() => undefined);
    let stop = () => {};
    const ended = new Promise<never>((_, reject) => {
      stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
    });
    ended.catch(() => undefined);
    try {
      return await Promise.race([result, ended]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}

/** As `openStore`, for as long as none of the signals says that it is over. */
export function openStoreUntil(location: string, ...signals: AbortSignal[]): ObjectStore {
  return new EndingStore(openStore(location), AbortSignal.any(signals));
}

async function* endingWith(content: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  for await (const piece of content) {
    signal.throwIfAborted();
    yield piece;
  }
  signal.throwIfAborted();
}
