import { setTimeout as sleep } from 'node:timers/promises';
import { findPool, type Pool, type PoolInUse, usePool } from '@borealis/engine-local';
import type { Config } from './config.js';

/** The pool of the configured home, with its key from where the settings say now; null when the home has none. */
export async function configuredPool({ home, poolKey }: Config): Promise<Pool | null> {
  const pool = await findPool(home);
  return pool?.key && poolKey ? { ...pool, key: poolKey } : pool;
}

/** Mounts the pool of the home, when it has one, and keeps it for this process. */
export async function openPool(config: Config, say: (line: string) => void): Promise<PoolInUse | null> {
  const pool = await configuredPool(config);
  if (!pool) return null;
  const used = await usePool(pool);
  say(`The pool of ${pool.home} ${HOW[used.how]}${pool.key ? '' : '; IT IS NOT ENCRYPTED'}.`);
  return used;
}

const HOW = {
  adopted: 'was mounted already',
  mounted: 'is mounted',
  repaired: 'had lost its storage daemon and is mounted anew',
} as const;

const LOOK_EVERY_MS = 1_000;

/** Aborted once nothing can be read or written on the pool any more; without a pool, never. */
export function watchPool(pool: PoolInUse | null): { lost: AbortSignal; stop(): void } {
  const lost = new AbortController();
  const end = new AbortController();
  const watch = async (used: PoolInUse): Promise<void> => {
    while (!end.signal.aborted) {
      // What could not be looked at is no sign that anything is wrong.
      if (!(await used.works().catch(() => true))) return lost.abort();
      await sleep(LOOK_EVERY_MS, undefined, { signal: end.signal, ref: false }).catch(() => {});
    }
  };
  if (pool) void watch(pool);
  return { lost: lost.signal, stop: () => end.abort() };
}
