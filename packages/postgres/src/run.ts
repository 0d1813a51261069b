import { execFile } from 'node:child_process';
import { withoutStoreAccess } from './environment.js';

/** What a program printed. */
export interface Output {
  stdout: string;
  stderr: string;
}

/** How a program failed; `exitCode` is null when it was not there or was killed. */
export class RunError extends Error {
  constructor(
    readonly program: string,
    readonly exitCode: number | null,
    readonly missing: boolean,
    readonly output: Output,
  ) {
    super(
      missing
        ? `"${program}" is not installed`
        : `"${program}" failed: ${lastLine(output.stderr) || `exit ${exitCode}`}`,
    );
    this.name = 'RunError';
  }
}

export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
}

/** Runs a program without a shell; resolves when it ended with status 0, else throws a `RunError`. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Output> {
  return new Promise((resolve, reject) => {
    const settings = { cwd: '/', env: withoutStoreAccess(), maxBuffer: 16 * 1024 * 1024, ...options };
    execFile(program, [...args], settings, (error, stdout, stderr) => {
      if (!error) return resolve({ stdout, stderr });
      const code = (error as NodeJS.ErrnoException).code as string | number | undefined;
      const exitCode = typeof code === 'number' ? code : null;
      const output = { stdout, stderr: stderr || error.message };
      reject(new RunError(program, exitCode, code === 'ENOENT', output));
    });
  });
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
