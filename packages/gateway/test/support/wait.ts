import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until `probe` gives something true, or fails after a generous limit. */
export async function waitFor<T>(what: string, probe: () => T | Promise<T>, limitMs = 60_000): Promise<NonNullable<T>> {
  const end = Date.now() + limitMs;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > end) throw new Error(`Waited in vain for ${what}.`);
    await sleep(20);
  }
}
