import { tryLock } from '../home/lock.js';
import { mountPool, mountState, unmountPool } from './mounting.js';
import { type Pool, poolPaths } from './pool.js';
import { PoolError } from './pool-error.js';

/** A mounted pool that this process, and no other, runs on. */
export interface PoolInUse {
  /** What had to be done at the start. */
  readonly how: 'adopted' | 'mounted' | 'repaired';
  /** False once nothing can be read or written there any more. */
  works(): Promise<boolean>;
  /** Mounts it anew after what is behind it has gone; ends whatever still hangs on it. */
  repair(): Promise<void>;
  /** Unmounts it, and gives it up in any case. */
  release(): Promise<void>;
}

/** Mounts the pool and keeps it for this process. Throws one sentence while another process has it, or when it cannot be mounted. */
export async function usePool(pool: Pool): Promise<PoolInUse> {
  const lock = await tryLock(poolPaths(pool.home).usage);
  if (!('release' in lock))
    throw new PoolError(
      `Borealis is already running on the pool of ${pool.home} (process ${lock.pid}): stop it first.`,
    );
  const how = await mountPool(pool).catch(async (error: unknown) => {
    await lock.release();
    throw error;
  });
  return {
    how,
    works: async () => (await mountState(pool)) === 'mounted',
    repair: async () => void (await mountPool(pool)),
    release: () => unmountPool(pool).finally(() => lock.release()),
  };
}
