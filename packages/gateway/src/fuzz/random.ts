/** A repeatable source of randomness (mulberry32): the same seed gives the same attack. */
export class Random {
  constructor(private state: number) {}

  /** An integer from 0 to `below` - 1. */
  int(below: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.int(256)));
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.int(choices.length)]!;
  }

  /** A number of the kind that parsers get wrong. */
  edge(): number {
    return this.pick([0, 1, 2, 4, 255, 256, 1023, 1024, 32_768, 32_769, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]);
  }

  /** The bytes with some of them changed, cut off or doubled. */
  mutate(source: Buffer): Buffer {
    const copy = Buffer.from(source);
    for (let changes = 1 + this.int(4); changes > 0 && copy.length > 0; changes--) {
      copy[this.int(copy.length)] = this.int(256);
    }
    if (this.int(3) === 0) return copy.subarray(0, this.int(copy.length + 1));
    return this.int(5) === 0 ? Buffer.concat([copy, copy]) : copy;
  }
}
