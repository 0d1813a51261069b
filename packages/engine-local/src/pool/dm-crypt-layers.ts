import { chmod, stat } from 'node:fs/promises';
import { canDmCrypt, closeMapping, deviceOf, isMapped, mappingOf } from './dm-crypt.js';
import { DERIVATION_MS, readKey, withKeyDescriptor } from './key.js';
import type { Layers } from './layers.js';
import { attachLoop, detachLoops, loopDevicesOf, seeNewSize } from './loop.js';
import { imageOf, type Pool } from './pool.js';
import { PoolError } from './pool-error.js';
import { takeRoom } from './room.js';
import { runTool, ToolError } from './tool.js';

/** What LUKS2 takes at the beginning of the image. */
const HEADER_BYTES = 16 * 1024 * 1024;

const AES_256_XTS = ['--cipher', 'aes-xts-plain64', '--key-size', '512', '--hash', 'sha256'];

/** The kernel's dm-crypt on a loop device on the LUKS2 image. */
export const dmCryptLayers: Layers = {
  async format(pool, key) {
    await takeRoom(pool, pool.sizeBytes + HEADER_BYTES);
    await chmod(imageOf(pool), 0o600);
    const derivation = ['--pbkdf', 'pbkdf2', '--iter-time', String(DERIVATION_MS[key])];
    const header = ['--offset', String(HEADER_BYTES / 512)];
    await cryptsetup(pool, [
      ...['luksFormat', '--type', 'luks2', '--batch-mode', ...AES_256_XTS, ...derivation, ...header],
      imageOf(pool),
    ]);
  },
  async open(pool) {
    const mapping = mappingOf(pool);
    const loop = await attachLoop(imageOf(pool));
    await cryptsetup(pool, ['open', '--type', 'luks2', loop, mapping]).catch((error: unknown) => explain(pool, error));
    return deviceOf(mapping);
  },
  async devices(pool) {
    const mapping = mappingOf(pool);
    return (await isMapped(mapping)) ? [deviceOf(mapping)] : [];
  },
  works: async (pool) => (await loopDevicesOf(imageOf(pool))).length > 0,
  async enlarge(pool) {
    const image = imageOf(pool);
    const wanted = pool.sizeBytes + HEADER_BYTES;
    if ((await stat(image)).size < wanted) await takeRoom(pool, wanted);
    await seeNewSize(image);
    await cryptsetup(pool, ['resize', mappingOf(pool)]);
  },
  async close(pool) {
    await closeMapping(mappingOf(pool));
    await detachLoops(imageOf(pool));
  },
};

/** Runs it with the pool's key, which comes as a file without a name. */
async function cryptsetup(pool: Pool, [verb, ...args]: string[]): Promise<void> {
  await withKeyDescriptor(await readKey(pool.key!), (descriptor) =>
    runTool('cryptsetup', [verb!, '--key-file', '/proc/self/fd/3', ...args], { descriptors: [descriptor] }),
  );
}

async function explain(pool: Pool, error: unknown): Promise<never> {
  if (!(error instanceof ToolError)) throw error;
  const image = imageOf(pool);
  if (/No key available/.test(error.stderr))
    throw new PoolError(`The key does not open ${image}: it is not the one that the pool was made with.`);
  if (!(await canDmCrypt()))
    throw new PoolError(`${image} is encrypted by the kernel’s dm-crypt, which does not work on this machine.`);
  throw error;
}
