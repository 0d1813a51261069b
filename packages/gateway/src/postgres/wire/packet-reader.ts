import type { Duplex } from 'node:stream';
import { Refused } from '../refusals.js';

/** The other side closed, or its connection broke, in the middle of a login. */
export class PeerGone extends Error {}

export interface TypedMessage {
  type: string;
  body: Buffer;
  /** Header and body as they came, to be passed on unchanged. */
  raw: Buffer;
}

/**
 * Reads exact pieces from a stream while somebody logs in; nothing is read ahead of need but what is already in the stream.
 * Reads fail with `PeerGone`, or with the signal's reason when it aborts. `release` hands the stream to its next owner.
 */
export class PacketReader {
  #buffer: Buffer = Buffer.alloc(0);
  #gone = false;
  #wake: (() => void) | null = null;

  constructor(
    private readonly stream: Duplex,
    private readonly signal: AbortSignal,
  ) {
    this.#gone = stream.destroyed || stream.readableEnded;
    stream.on('data', this.#onData).on('end', this.#onGone).on('close', this.#onGone).on('error', this.#onGone);
    stream.pause();
    signal.addEventListener('abort', this.#onAbort);
  }

  /** The next `count` bytes. */
  async bytes(count: number): Promise<Buffer> {
    await this.#fill(count);
    const bytes = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count);
    return bytes;
  }

  /** The next byte, which stays to be read. */
  async peek(): Promise<number> {
    await this.#fill(1);
    return this.#buffer[0]!;
  }

  /** Type, and length of the body, of the next typed message, which stays to be read. */
  async peekHeader(): Promise<[type: string, bodyBytes: number]> {
    await this.#fill(5);
    return [String.fromCharCode(this.#buffer[0]!), this.#buffer.readInt32BE(1) - 4];
  }

  /** The next typed message; refuses one whose body is longer than `limit` bytes before reading it. */
  async message(limit: number): Promise<TypedMessage> {
    await this.#fill(5);
    const length = this.#buffer.readInt32BE(1);
    if (length < 4 || length - 4 > limit) throw new Refused('malformed_message', String(length));
    const raw = await this.bytes(length + 1);
    return { type: String.fromCharCode(raw[0]!), body: raw.subarray(5), raw };
  }

  /** Bytes that came and were not asked for yet. */
  get unread(): number {
    return this.#buffer.length;
  }

  /** Lets go of the stream, which stays paused, and returns what came too early for this reader. */
  release(): Buffer {
    this.stream.pause();
    this.stream
      .off('data', this.#onData)
      .off('end', this.#onGone)
      .off('close', this.#onGone)
      .off('error', this.#onGone);
    this.signal.removeEventListener('abort', this.#onAbort);
    return this.#buffer;
  }

  async #fill(count: number): Promise<void> {
    while (this.#buffer.length < count) {
      if (this.signal.aborted) throw this.signal.reason;
      if (this.#gone) throw new PeerGone('the connection ended during the login');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.stream.resume();
      });
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    this.stream.pause();
    this.#wake?.();
  };

  readonly #onGone = (): void => {
    this.#gone = true;
    this.#wake?.();
  };

  readonly #onAbort = (): void => this.#wake?.();
}
