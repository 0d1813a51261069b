import { type SpawnOptions, spawn } from 'node:child_process';
import { signalExitCode, takeSignals } from '../signals.js';

/**
 * Runs a program on our own terminal and resolves with its exit code (128 + n when signal n ended it). Ctrl+C is
 * the program's to understand, as in psql, where it cancels a query. Rejects when it cannot be started.
 */
export function runChild(
  command: string,
  args: string[],
  options: Pick<SpawnOptions, 'env' | 'shell'>,
): Promise<number> {
  const child = spawn(command, args, { ...options, stdio: 'inherit' });
  const restore = takeSignals(['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP'], (signal) => {
    // The terminal sends the first two to the program as well.
    if (signal === 'SIGTERM' || signal === 'SIGHUP') child.kill(signal);
  });
  return new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? signalExitCode(signal as NodeJS.Signals)));
  }).finally(restore);
}
