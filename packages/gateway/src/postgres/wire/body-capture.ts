/** Gathers the body of one message at a time; one that came in a single piece is not copied. */
export class BodyCapture {
  /** Allotted whole: thousands of one-byte pieces, kept one by one, would take a hundred times the body's size. */
  #body: Buffer | undefined;
  #bytes = 0;
  #filled = 0;

  constructor(private readonly limit: number) {}

  /** Starts on a body; false when it is too long to be kept (or empty), and then no `take` may follow. */
  begin(bytes: number): boolean {
    this.#body = undefined;
    this.#bytes = bytes;
    this.#filled = 0;
    return bytes > 0 && bytes <= this.limit;
  }

  /** Adds a piece; returns the body when it is whole. It may share memory with `chunk`: copy it to keep it. */
  take(chunk: Buffer, start: number, end: number): Buffer | null {
    if (end - start === this.#bytes) return chunk.subarray(start, end);
    this.#body ??= Buffer.allocUnsafeSlow(this.#bytes);
    this.#filled += chunk.copy(this.#body, this.#filled, start, end);
    if (this.#filled < this.#bytes) return null;
    const body = this.#body;
    this.#body = undefined;
    return body;
  }
}
