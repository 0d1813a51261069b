import { statfs } from 'node:fs/promises';
import { toGiB } from './create.js';
import { growTo } from './grow.js';
import { alone, mountPool, mountState, unmountPool } from './mounting.js';
import { type Pool, savePool } from './pool.js';
import { PoolError } from './pool-error.js';

/**
 * Makes the pool larger, under what runs on it. Throws one sentence when there is no room; interrupted, it is finished by the
 * next attempt or the next mount.
 */
export async function growPool(pool: Pool, sizeBytes: number): Promise<void> {
  if (sizeBytes < pool.sizeBytes)
    throw new PoolError(`The pool has ${toGiB(pool.sizeBytes)} already, and a pool never shrinks.`);
  const { bavail, bsize } = await statfs(pool.place);
  if (sizeBytes - pool.sizeBytes > bavail * bsize)
    throw new PoolError(
      `There is no room for ${toGiB(sizeBytes - pool.sizeBytes)} more on ${pool.place}: ${toGiB(bavail * bsize)} are free.`,
    );
  const larger = { ...pool, sizeBytes };
  if ((await mountState(pool)) === 'mounted') {
    await alone(pool, async () => {
      await savePool(larger);
      await growTo(larger);
    });
    return;
  }
  await savePool(larger);
  await mountPool(larger);
  await unmountPool(larger);
}
