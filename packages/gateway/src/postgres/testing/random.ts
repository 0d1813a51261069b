/** A repeatable source of bad ideas (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** From 0 up to, not including, `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  bytes(most: number): Buffer {
    return Buffer.from(Array.from({ length: this.below(most + 1) }, () => this.below(256)));
  }

  /** The bytes with a few of them changed, and perhaps cut off, doubled, or with an impossible number put in. */
  mutated(original: Buffer): Buffer {
    const bytes = Buffer.from(original);
    for (let i = this.below(4); i > 0 && bytes.length > 0; i--) bytes[this.below(bytes.length)] = this.below(256);
    if (bytes.length >= 8 && this.below(3) === 0) {
      bytes.writeInt32BE(this.pick([-1, 0, 3, 4, 5, 0x7fffffff, -0x80000000]), this.below(bytes.length - 3));
    }
    const way = this.below(6);
    if (way === 0) return bytes.subarray(0, this.below(bytes.length + 1));
    if (way === 1) return Buffer.concat([bytes, bytes]);
    if (way === 2) return Buffer.concat([bytes, this.bytes(40)]);
    return bytes;
  }
}
