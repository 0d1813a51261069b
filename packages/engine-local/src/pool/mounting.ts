import { mkdir, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from '../home/lock.js';
import { growTo } from './grow.js';
import { layersOf } from './layers.js';
import { mounts } from './mounts.js';
import { type Pool, poolPaths } from './pool.js';
import { PoolError } from './pool-error.js';
import { runTool } from './tool.js';
import { endUsersOf, nameUsers, untilOrphansEnd, usersOf } from './users.js';

/** How long another process may take to mount, unmount or grow. */
const PATIENCE_SECONDS = 300;

/** How long what was told to end may still hold the file system. */
const SETTLE_SECONDS = 5;

/** Runs `change` while no other process mounts, unmounts or grows this pool. */
export async function alone<T>(pool: Pool, change: () => Promise<T>): Promise<T> {
  const { lock } = poolPaths(pool.home);
  const end = Date.now() + PATIENCE_SECONDS * 1000;
  for (;;) {
    const taken = await tryLock(lock);
    if ('release' in taken)
      return untilOrphansEnd(pool)
        .then(change)
        .finally(() => taken.release());
    if (Date.now() > end) throw new PoolError(`Process ${taken.pid} has been changing this pool for too long.`);
    await sleep(100);
  }
}

/** `broken`: mounted, but what is behind it is gone, so that nothing can be read or written there. */
export async function mountState(pool: Pool): Promise<'mounted' | 'broken' | 'unmounted'> {
  if ((await mountedDevices(pool)).length === 0) return 'unmounted';
  if (!(await layersOf(pool).works(pool))) return 'broken';
  // A file system that has met an error it cannot survive answers nothing but EIO.
  return stat(pool.home).then(
    () => 'mounted',
    () => 'broken',
  );
}

/**
 * Makes sure that the pool is mounted on its home, whatever a crash left: adopts a mount that works, and takes a broken one away
 * with the processes that hang on it. When it cannot, it throws one sentence and leaves nothing half-mounted.
 */
export async function mountPool(pool: Pool): Promise<'adopted' | 'mounted' | 'repaired'> {
  if (pool.state !== 'ready')
    throw new PoolError(`The pool of ${pool.home} was not finished: run "borealis pool init" again.`);
  return alone(pool, async () => {
    const state = await mountState(pool);
    if (state === 'mounted') return 'adopted';
    if (state === 'broken') await endUsersOf(pool.home);
    await takeDown(pool);
    try {
      await mountDevice(pool, await layersOf(pool).open(pool));
      await growTo(pool);
    } catch (error) {
      await takeDown(pool);
      throw error;
    }
    return state === 'broken' ? 'repaired' : 'mounted';
  });
}

/** Writes out and unmounts; the data can then be read by nobody without the key. Throws a sentence, and leaves it mounted, while it is in use. */
export async function unmountPool(pool: Pool): Promise<void> {
  await alone(pool, () => takeDown(pool));
}

export async function mountDevice(pool: Pool, device: string): Promise<void> {
  await mkdir(pool.home, { recursive: true, mode: 0o711 });
  await runTool('mount', ['-t', 'xfs', '-o', 'nodev,nosuid,noatime', device, pool.home]);
}

/** Takes away everything between the image and the home, in order; nothing is an error that is gone already. */
export async function takeDown(pool: Pool): Promise<void> {
  for (const _ of await mountedDevices(pool)) await unmount(pool);
  await layersOf(pool).close(pool);
}

async function unmount(pool: Pool): Promise<void> {
  const end = Date.now() + SETTLE_SECONDS * 1000;
  for (;;) {
    try {
      await runTool('umount', [pool.home]);
      return;
    } catch (error) {
      const users = await usersOf(pool.home);
      if (Date.now() < end) await sleep(200);
      else if (users.length === 0) throw error;
      else throw new PoolError(`The pool stays mounted on ${pool.home}: ${nameUsers(users)} still uses it.`);
    }
  }
}

async function mountedDevices(pool: Pool): Promise<string[]> {
  const ours = await layersOf(pool).devices(pool);
  const here = (await mounts()).filter(({ path, source }) => path === pool.home && ours.includes(source));
  return here.map(({ source }) => source);
}
