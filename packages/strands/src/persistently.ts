import { setTimeout as sleep } from 'node:timers/promises';

// Deadlock and serialization failure, and the classes "connection exception", "operator intervention" (a restart),
// "insufficient resources": the statement is sound, the moment was not.
const PASSING = /^(40001|40P01|08...|57P0.|53...)$/;

/**
 * Repeats database work over deadlocks and a restart of the server until it succeeds, fails for a reason of its own, or the
 * lease is lost. Safe for guarded transactions: one that did commit without our knowing is refused the second time.
 */
export async function persistently<T>(lost: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let wait = 50; ; wait = Math.min(wait * 2, 1000)) {
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error) || lost.aborted) throw error;
      await sleep(wait);
    }
  }
}

/** True for errors of the connection or the moment, false for errors of the statement. */
export function isPassing(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'string') return PASSING.test(code) || /^E[A-Z]+$/.test(code);
  return typeof message === 'string' && /connection terminated|timeout exceeded when trying to connect/i.test(message);
}
