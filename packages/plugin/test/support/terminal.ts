import { PassThrough } from 'node:stream';
import type { Finished } from './cli.js';
import { runHere } from './in-process.js';

/** Runs a command for the app `sushi` in this process, at a terminal where `typed` is typed or, without it, at none. */
export async function runAtTerminal(
  apiUrl: string,
  command: unknown,
  args: string[],
  typed?: string,
): Promise<Finished> {
  const real = Object.getOwnPropertyDescriptor(process, 'stdin')!;
  const input = Object.assign(new PassThrough(), { isTTY: typed !== undefined });
  if (typed !== undefined) input.end(typed);
  Object.defineProperty(process, 'stdin', { value: input, configurable: true });
  try {
    return await runHere(apiUrl, command, ['--app', 'sushi', ...args]);
  } finally {
    Object.defineProperty(process, 'stdin', real);
  }
}

/** The CLI wraps messages at the width of the terminal. */
export function flat(text: string): string {
  return text.replace(/\s*\n\s*[›»]?\s*/g, ' ');
}
