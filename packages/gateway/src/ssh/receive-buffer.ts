const BLOCK = 16_384;

/**
 * What arrives behind a backlog, copied into blocks. A peer may cut its window into a million one-byte messages, and a
 * million small buffers, each holding on to the network read it came in, would cost a hundred times the window.
 */
export class ReceiveBuffer {
  #full: Buffer[] = [];
  #block: Buffer | undefined;
  #used = 0;

  /** Bytes held. */
  get length(): number {
    return this.#full.length * BLOCK + this.#used;
  }

  add(data: Buffer): void {
    for (let at = 0; at < data.length; ) {
      this.#block ??= Buffer.allocUnsafeSlow(BLOCK);
      const size = Math.min(BLOCK - this.#used, data.length - at);
      this.#used += data.copy(this.#block, this.#used, at, at + size);
      at += size;
      if (this.#used === BLOCK) this.#full.push(this.#cutBlock());
    }
  }

  /** Gives and forgets the oldest block; undefined when there is nothing. */
  take(): Buffer | undefined {
    return this.#full.shift() ?? (this.#used > 0 ? this.#cutBlock() : undefined);
  }

  #cutBlock(): Buffer {
    const block = this.#block!.subarray(0, this.#used);
    this.#block = undefined;
    this.#used = 0;
    return block;
  }
}
