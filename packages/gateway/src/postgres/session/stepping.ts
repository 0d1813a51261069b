import type { Conversation } from './conversation.js';

/** Bytes of the client's that wait here before it is read no further. */
const LIMIT = 64 * 1024;

/**
 * What a client says while its session comes to rest, and while it rests: forwarded piece by piece, each with its answer before the
 * next, so that a client which never stops asking comes to an idle boundary too.
 */
export class Stepping {
  /** Resolves once `rested` or `ended` was called. */
  readonly settled: Promise<void>;
  /** The session stands at an idle boundary, and nothing is forwarded. */
  atRest = false;
  /** The client has closed while the session was at rest, and what it said before waits here. */
  clientGone = false;
  readonly #waiting: Buffer[] = [];
  #bytes = 0;
  #settle = (): void => undefined;

  constructor() {
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get full(): boolean {
    return this.#bytes > LIMIT;
  }

  get empty(): boolean {
    return this.#bytes === 0;
  }

  push(chunk: Buffer): void {
    this.#waiting.push(chunk);
    this.#bytes += chunk.length;
  }

  /** The next bytes to forward, which `conversation` has followed; null: the server has to answer first, or there are none. */
  next(conversation: Conversation): Buffer | null {
    const chunk = this.#waiting[0];
    if (!chunk) return null;
    let at = 0;
    while (at < chunk.length && !conversation.mayPause) at = conversation.fromClient.step(chunk, at);
    if (at === 0) return null;
    this.#bytes -= at;
    if (at === chunk.length) this.#waiting.shift();
    else this.#waiting[0] = chunk.subarray(at);
    return chunk.subarray(0, at);
  }

  /** All that waits; nobody has followed it. */
  takeAll(): Buffer[] {
    this.#bytes = 0;
    return this.#waiting.splice(0);
  }

  /** The session has come to rest. */
  rested(): void {
    this.atRest = true;
    this.#settle();
  }

  /** The session has ended, and will not come to rest. */
  ended(): void {
    this.#settle();
  }
}
