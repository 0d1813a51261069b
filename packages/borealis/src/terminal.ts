/** What a person sees of long work: one line a step, redrawn while it runs where the output is a terminal. */
export class Steps {
  readonly #terminal = process.stdout.isTTY === true;
  #line = '';

  /** Runs one step with a sentence; `update` replaces the text beside it while it runs. */
  async run<T>(sentence: string, work: (update: (detail: string) => void) => Promise<T>): Promise<T> {
    this.#show(`  ${sentence}…`);
    const started = Date.now();
    try {
      const result = await work((detail) => this.#show(`  ${sentence}: ${detail}`));
      this.#finish(`✓ ${sentence} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
      return result;
    } catch (error) {
      this.#finish(`✗ ${sentence}`);
      throw error;
    }
  }

  /** One indented line of result. */
  tell(line: string): void {
    process.stdout.write(`    ${line}\n`);
  }

  #show(text: string): void {
    if (!this.#terminal || text === this.#line) return;
    this.#line = text;
    process.stdout.write(`\r\x1b[2K${text.slice(0, (process.stdout.columns ?? 80) - 1)}`);
  }

  #finish(text: string): void {
    this.#line = '';
    process.stdout.write(this.#terminal ? `\r\x1b[2K${text}\n` : `${text}\n`);
  }
}
