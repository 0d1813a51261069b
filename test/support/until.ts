import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until `look` gives something truthy; a generous limit, because the machine may be busy. Errors count as "not yet". */
export async function until<T>(what: string, look: () => Promise<T> | T, seconds = 60): Promise<NonNullable<T>> {
  const end = Date.now() + seconds * 1000;
  let last: unknown = 'nothing';
  while (Date.now() < end) {
    try {
      const seen = await look();
      if (seen) return seen as NonNullable<T>;
      last = seen;
    } catch (error) {
      last = error;
    }
    await sleep(50);
  }
  throw new Error(
    `waited ${seconds} s for ${what}; last seen: ${last instanceof Error ? last.message : JSON.stringify(last)}`,
  );
}
