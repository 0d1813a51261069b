/** Gathers the body of one message at a time; one that came in a single piece is not copied. */
export class BodyCapture {
  #parts: Buffer[] = [];
  #missing = 0;

  constructor(private readonly limit: number) {}

  /** Starts on a body; false when it is too long to be kept (or empty), and then no `take` may follow. */
  begin(bytes: number): boolean {
    this.#parts = [];
    this.#missing = bytes;
    return bytes > 0 && bytes <= this.limit;
  }

  /** Adds a piece; returns the body when it is whole. It may share memory with `chunk`: copy it to keep it. */
  take(chunk: Buffer, start: number, end: number): Buffer | null {
    const piece = chunk.subarray(start, end);
    this.#missing -= piece.length;
    if (this.#missing === 0) return this.#parts.length === 0 ? piece : Buffer.concat([...this.#parts.splice(0), piece]);
    this.#parts.push(piece);
    return null;
  }
}
