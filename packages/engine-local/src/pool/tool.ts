import { spawn } from 'node:child_process';
import { PoolError } from './pool-error.js';

/** A program that ended with another status than 0. */
export class ToolError extends PoolError {
  constructor(
    command: string,
    /** What it wrote to its standard error. */
    readonly stderr: string,
  ) {
    super(`${command} failed: ${stderr.trim().split('\n')[0] || 'without a word'}.`);
  }
}

/** What the programs of this folder get to see: nothing of ours. The administrators' directories are not in every user's PATH. */
export const TOOL_ENVIRONMENT = {
  PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`,
  LC_ALL: 'C',
};

interface Options {
  /** Given to the program as its file descriptors from 3 on. */
  descriptors?: readonly number[];
}

/** Runs a program of the system and returns its standard output; throws a `ToolError` with what it said. */
export function runTool(command: string, args: readonly string[], { descriptors = [] }: Options = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: '/',
      env: TOOL_ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe', ...descriptors],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk;
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk;
    });
    child.once('error', (error) => reject(new ToolError(command, error.message)));
    child.once('close', (status) => (status === 0 ? resolve(stdout) : reject(new ToolError(command, stderr))));
  });
}
