import { chmod, stat } from 'node:fs/promises';
import type { Layers } from './layers.js';
import { attachLoop, detachLoops, loopDevicesOf, seeNewSize } from './loop.js';
import { imageOf } from './pool.js';
import { takeRoom } from './room.js';

/** A loop device on the image, which is the file system itself. */
export const plainLayers: Layers = {
  async format(pool) {
    await takeRoom(pool, pool.sizeBytes);
    await chmod(imageOf(pool), 0o600);
  },
  open: (pool) => attachLoop(imageOf(pool)),
  devices: (pool) => loopDevicesOf(imageOf(pool)),
  works: async () => true,
  async enlarge(pool) {
    if ((await stat(imageOf(pool))).size < pool.sizeBytes) await takeRoom(pool, pool.sizeBytes);
    await seeNewSize(imageOf(pool));
  },
  close: (pool) => detachLoops(imageOf(pool)),
};
