import { Refused } from '../refusals.js';

const HEADER_BYTES = 5;

/** The longest message, its length word included, that may pass: PostgreSQL takes none that is longer. */
export const MAX_MESSAGE_BYTES = 1024 * 1024 * 1024;

/** Told of messages as they pass. */
export interface MessageVisitor {
  /** A header has passed; true asks for the body, in pieces, as it passes. A body of no bytes is never announced. */
  header(type: number, bodyBytes: number): boolean;
  /** The part of `chunk` from `start` to `end` belongs to the body asked for. */
  body(chunk: Buffer, start: number, end: number): void;
}

/**
 * Follows one direction of a connection by its message headers alone. Nothing is copied or kept but a header that is cut
 * in two, so a message of a gigabyte costs as little as its chunks do.
 */
export class MessageScanner {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #bodyLeft = 0;
  #bodyWanted = false;

  constructor(private readonly visitor: MessageVisitor) {}

  /** True between two messages. */
  get atBoundary(): boolean {
    return this.#bodyLeft === 0 && this.#headerBytes === 0;
  }

  /** Follows the next bytes. Throws `Refused` where a length is impossible; the connection must not be used further. */
  scan(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) at = this.step(chunk, at);
  }

  /** As `scan`, from `at` to the end of a header or of a body at most; returns where it stopped. */
  step(chunk: Buffer, at: number): number {
    return this.#bodyLeft > 0 ? this.#passBody(chunk, at) : this.#passHeader(chunk, at);
  }

  #passBody(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#bodyLeft);
    this.#bodyLeft -= end - at;
    if (this.#bodyWanted) this.visitor.body(chunk, at, end);
    return end;
  }

  #passHeader(chunk: Buffer, at: number): number {
    if (this.#headerBytes === 0 && chunk.length - at >= HEADER_BYTES) {
      this.#begin(chunk, at);
      return at + HEADER_BYTES;
    }
    const copied = chunk.copy(this.#header, this.#headerBytes, at, at + HEADER_BYTES - this.#headerBytes);
    this.#headerBytes += copied;
    if (this.#headerBytes === HEADER_BYTES) {
      this.#headerBytes = 0;
      this.#begin(this.#header, 0);
    }
    return at + copied;
  }

  #begin(from: Buffer, at: number): void {
    const length = from.readInt32BE(at + 1);
    if (length < 4 || length > MAX_MESSAGE_BYTES) throw new Refused('malformed_message', String(length));
    this.#bodyLeft = length - 4;
    this.#bodyWanted = this.visitor.header(from[at]!, this.#bodyLeft);
  }
}
