import { constants } from 'node:os';

/** The status of a program as a shell gives it: its own, or 128 and the signal that ended it. */
export function exitStatus(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + constants.signals[signal!];
}
