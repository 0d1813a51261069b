import { Refused } from '../refusals.js';

/** How long a login waits while the servers are changed. */
const PATIENCE_MS = 15_000;

/** Where logins wait while sessions are moved. */
export class Gate {
  #closed: { opened: Promise<void>; open: () => void } | null = null;
  #inside = 0;
  #emptied: (() => void)[] = [];

  close(): void {
    if (this.#closed) return;
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.#closed = { opened, open };
  }

  open(): void {
    this.#closed?.open();
    this.#closed = null;
  }

  /** Runs `pass` once the gate is open. Throws `Refused` when it stays closed for 15 s, or the signal's reason. */
  async through<T>(signal: AbortSignal, pass: () => Promise<T>): Promise<T> {
    while (this.#closed) await this.#wait(this.#closed.opened, signal);
    this.#inside++;
    try {
      return await pass();
    } finally {
      this.#inside--;
      if (this.#inside === 0) for (const tell of this.#emptied.splice(0)) tell();
    }
  }

  /** Resolves when nobody is on the way through. */
  emptied(): Promise<void> {
    return this.#inside === 0 ? Promise.resolve() : new Promise((resolve) => this.#emptied.push(resolve));
  }

  #wait(opened: Promise<void>, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      };
      const abort = () => fail(signal.reason);
      const timer = setTimeout(() => fail(new Refused('database_starting')), PATIENCE_MS);
      signal.addEventListener('abort', abort, { once: true });
      void opened.then(() => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        resolve();
      });
      if (signal.aborted) abort();
    });
  }
}
