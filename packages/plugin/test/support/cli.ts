import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const WAIT_LIMIT_MS = 40_000;

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** One command of the plugin in a process and a home of its own, as a person would start it. */
export class Cli {
  stdout = '';
  stderr = '';
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;

  constructor(apiUrl: string, args: string[], env: Record<string, string> = {}, input = '') {
    const home = mkdtempSync(join(tmpdir(), 'bpc-'));
    this.process = spawn(process.execPath, [RUN, ...args], { env: environment(apiUrl, home, env), cwd: home });
    this.process.stdout?.on('data', (chunk) => {
      this.stdout += chunk;
    });
    this.process.stderr?.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.process.stdin?.on('error', () => {}).end(input);
    this.finished = new Promise((resolve) => {
      this.process.once('close', (code) => {
        rmSync(home, { recursive: true, force: true });
        resolve({ code, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  /** Resolves when the text shows up on either stream; fails when the command ends first. */
  async shows(text: string | RegExp): Promise<void> {
    await until(() => {
      const output = this.stdout + this.stderr;
      if (typeof text === 'string' ? output.includes(text) : text.test(output)) return true;
      if (this.process.exitCode !== null)
        throw new Error(`ended with ${this.process.exitCode} before it showed ${text}: ${output}`);
      return false;
    });
  }
}

/** Polls until `condition` holds, within a generous limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + WAIT_LIMIT_MS;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not in ${WAIT_LIMIT_MS} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function run(apiUrl: string, args: string[], env?: Record<string, string>, input?: string): Promise<Finished> {
  return new Cli(apiUrl, args, env, input).finished;
}

function environment(apiUrl: string, home: string, env: Record<string, string>): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: home,
    TMPDIR: home,
    HEROKU_HOST: apiUrl,
    HEROKU_API_KEY: 'long-lived-key',
    HEROKU_PARTICLEBOARD_URL: apiUrl,
    BOREALIS_PG_API_BASE_URL: apiUrl,
    BOREALIS_TUNNEL_HOST: 'localhost',
    NO_COLOR: '1',
    FORCE_COLOR: '0',
    TERM: 'dumb',
    TZ: 'UTC',
    ...env,
  };
}
