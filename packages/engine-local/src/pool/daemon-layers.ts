import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { resizeThroughDaemon } from './daemon-control.js';
import { readKey } from './key.js';
import type { Layers } from './layers.js';
import { attachLoop, detachLoops, loopDevicesOf, seeNewSize } from './loop.js';
import { mounts } from './mounts.js';
import { clearFile, imageOf } from './pool.js';
import { PoolError } from './pool-error.js';
import { takeRoom } from './room.js';
import { findDaemons, formatImage, startDaemon, stopDaemons } from './storage-daemon.js';
import { runTool } from './tool.js';

const SEEN_SECONDS = 60;

/** A loop device on the file in which a storage daemon shows the LUKS image in clear. */
export const daemonLayers: Layers = {
  async format(pool, key) {
    await formatImage(pool, await readKey(pool.key!), key);
  },
  async open(pool) {
    await startDaemon(pool, await readKey(pool.key!));
    return attachLoop(clearFile(pool));
  },
  devices: (pool) => loopDevicesOf(clearFile(pool)),
  works: async (pool) => (await findDaemons(pool)).length > 0,
  async enlarge(pool) {
    const clear = clearFile(pool);
    const { size } = await stat(clear);
    if (size < pool.sizeBytes) {
      const header = (await stat(imageOf(pool))).size - size;
      await takeRoom(pool, pool.sizeBytes + Math.max(header, 0), true);
      await resizeThroughDaemon(pool);
      await untilSeen(clear, pool.sizeBytes);
    }
    await seeNewSize(clear);
  },
  async close(pool) {
    const clear = clearFile(pool);
    await detachLoops(clear);
    await stopDaemons(pool);
    // What a killed daemon leaves: a mount that answers to nothing.
    for (const { path } of await mounts()) if (path === clear) await runTool('umount', ['--lazy', clear]);
  },
};

/** The kernel remembers sizes behind FUSE for a second; a loop device would take the old one. */
async function untilSeen(file: string, bytes: number): Promise<void> {
  const end = Date.now() + SEEN_SECONDS * 1000;
  while ((await stat(file)).size < bytes) {
    if (Date.now() > end) throw new PoolError(`${file} does not get the size that it was given.`);
    await sleep(100);
  }
}
