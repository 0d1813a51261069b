import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { cacheDirectory } from '@borealis/postgres';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mountable } from '../../../test/support/mountable.js';
import { homePaths } from '../src/home/paths.js';
import { type Keeper, startKeeper } from '../src/keeper.js';
import { eventually, GENEROUS, gatewayBundle, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { tracesOf } from './support/traces.js';

const DISK_MIB = 160;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let disk: string;
let keeper: Keeper | undefined;
const canMount = mountable();

beforeAll(async () => {
  if (!canMount) return;
  directory = await temporaryDirectory();
  disk = `${directory.path}/disk`;
  await mkdir(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', disk]);
  await chmod(disk, 0o755);
  const log = pino({ level: 'silent' });
  keeper = await startKeeper({ home: `${disk}/home`, cacheDir: cacheDirectory(), gatewayBundle: gatewayBundle(), log });
}, GENEROUS);

afterAll(async () => {
  await keeper?.stop({ clusters: true });
  if (!canMount) return;
  execFileSync('umount', [disk]);
  await directory.remove();
}, GENEROUS);

/** Fills the disk to its last byte. */
async function fill(): Promise<void> {
  const block = Buffer.alloc(1024 * 1024);
  for (const size of [1024 * 1024, 4096, 1])
    await writeFile(`${disk}/filler-${size}`, '')
      .then(async () => {
        for (;;) await writeFile(`${disk}/filler-${size}`, block.subarray(0, size), { flag: 'a' });
      })
      .catch(() => undefined);
}

async function empty(): Promise<void> {
  for (const name of await readdir(disk)) if (name.startsWith('filler')) await rm(`${disk}/${name}`);
}

test.skipIf(!canMount)(
  'on a full disk nothing is half-made, and with room again all goes on (as root)',
  async () => {
    const { engine } = keeper!;
    await fill();
    await expect(engine.createCluster('nowhere', SPEC)).rejects.toMatchObject({
      code: 'no_room',
      message: 'There is no room left on the disk.',
    });
    expect(await engine.cluster('nowhere')).toBeNull();
    expect(await readdir(homePaths(`${disk}/home`).clusters)).toEqual([]);
    await empty();
    await engine.createCluster('nowhere', SPEC);
    await untilReady(engine, 'nowhere');
  },
  GENEROUS,
);

test.skipIf(!canMount)(
  'a disk that fills during a creation is told, and the cluster comes up once there is room (as root)',
  async () => {
    const { engine } = keeper!;
    // Room for the record, none for a data directory of 40 MB.
    await fill();
    const filler = `${disk}/filler-${1024 * 1024}`;
    await truncate(filler, (await stat(filler)).size - 10 * 1024 * 1024);
    await engine.createCluster('tight', SPEC);
    await eventually('the sentence', async () => (await engine.cluster('tight'))?.detail.includes('no room left'));
    await empty();
    await untilReady(engine, 'tight');
  },
  GENEROUS,
);

test.skipIf(!canMount)(
  'a full disk does not keep a cluster from being destroyed (as root)',
  async () => {
    const { engine } = keeper!;
    await fill();
    await engine.destroyCluster('tight');
    expect(await tracesOf(`${disk}/home`, 'tight')).toEqual([]);
    await empty();
    await engine.destroyCluster('nowhere');
  },
  GENEROUS,
);
