/** Where the primary's log ended at which moment (milliseconds), for some time back: what a standby's lag is measured by. */
export class LogSamples {
  readonly #samples: { at: number; end: number }[] = [];

  constructor(private readonly keepMs: number) {}

  add(at: number, end: number): void {
    this.#samples.push({ at, end });
    // One that is older than all that is asked for stays, as the beginning.
    while (this.#samples.length > 2 && at - this.#samples[1]!.at > this.keepMs) this.#samples.shift();
  }

  clear(): void {
    this.#samples.length = 0;
  }

  /** Milliseconds since all that is up to `position` was written and more was; 0 where nothing is missing. */
  lag(position: number, now: number): number {
    const missing = this.#samples.find(({ end }) => end > position);
    return missing ? now - missing.at : 0;
  }
}
