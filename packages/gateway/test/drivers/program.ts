import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Language } from '../../../../test/support/languages.js';

/** What each case of a program answered. */
export type Answers = Record<string, string>;

/** A program in this directory: it is told words, and answers each with a line of JSON. */
export class DriverProgram {
  #stderr = '';
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;

  private constructor(
    private readonly child: ChildProcess,
    private readonly directory: string,
  ) {
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    this.#ended = new Promise((resolve) => child.once('close', resolve));
    child.stdin!.on('error', () => {}); // it may have ended, which `tell` says
    child.stderr!.on('data', (data) => {
      this.#stderr += data;
    });
  }

  /** Compiles it where its language wants that, and starts it with these variables of libpq. */
  static start(language: Language, file: string, variables: Record<string, string>): DriverProgram {
    const directory = mkdtempSync(join(tmpdir(), 'drv-'));
    try {
      const command = language.build(directory, 'program', readFileSync(join(import.meta.dirname, file), 'utf8'));
      const { PATH, HOME } = process.env;
      const child = spawn('sh', ['-c', `exec ${command}`], { cwd: directory, env: { PATH, HOME, ...variables } });
      return new DriverProgram(child, directory);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Throws what it wrote to its error stream where it ends instead of answering. */
  async tell(word: string): Promise<Answers> {
    this.child.stdin!.write(`${word}\n`);
    const { value, done } = await this.#lines.next();
    if (done) {
      await this.#ended;
      throw new Error(`It ended at "${word}": ${this.#stderr}`);
    }
    return JSON.parse(value) as Answers;
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#ended;
    rmSync(this.directory, { recursive: true, force: true });
  }
}
