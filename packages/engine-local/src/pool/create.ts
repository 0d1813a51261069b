import { mkdir, readdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../system/files.js';
import { canClone } from './data-at-rest.js';
import { canDmCrypt } from './dm-crypt.js';
import { ensureKeyFile } from './key.js';
import { layersOf } from './layers.js';
import { alone, mountDevice, takeDown } from './mounting.js';
import {
  canonicalPath,
  clearFile,
  findPool,
  imageOf,
  isEncrypted,
  type KeySource,
  type Pool,
  poolPaths,
  savePool,
} from './pool.js';
import { PoolError } from './pool-error.js';
import { runTool } from './tool.js';

/** XFS itself wants 300 MB; a home with two clusters needs more. */
export const SMALLEST_POOL = 512 * 1024 * 1024;

export interface NewPool {
  /** A directory that is empty or not there yet. */
  home: string;
  sizeBytes: number;
  /** The directory for the image; left out, beside the home. */
  place?: string | undefined;
  /** Left out: a key file beside the image, made by us. Null: not encrypted. */
  key?: KeySource | null | undefined;
  /** Left out: the kernel, where it can, else a storage daemon. Without a key it is of no account. */
  encryptedBy?: Pool['encryptedBy'] | undefined;
}

/**
 * Makes the pool of a home, with all of its room taken from the disk, and leaves it unmounted. What a killed attempt left is thrown
 * away and made anew; a finished pool of the same description is adopted. Throws one sentence where it cannot be made.
 */
export async function createPool(wanted: NewPool): Promise<'made' | 'adopted'> {
  const pool = await describe(wanted);
  const found = await findPool(pool.home);
  if (found?.state === 'ready') return adopt(found, pool);
  await refuseOccupied(pool.home);
  // Whatever description an earlier attempt had, what it made is found by that one.
  if (found) await alone(found, () => throwAway(found));
  await mkdir(pool.place, { recursive: true, mode: 0o700 });
  await refuseForeignImage(pool);
  await refuseTooLarge(pool);
  await savePool(pool);
  await alone(pool, () => make(pool));
  return 'made';
}

async function describe({ home: directory, sizeBytes, place, key, encryptedBy }: NewPool): Promise<Pool> {
  const home = await canonicalPath(directory);
  const paths = poolPaths(home);
  if (sizeBytes < SMALLEST_POOL) throw new PoolError('A pool has at least 512 MiB.');
  return {
    format: 1,
    state: 'making',
    home,
    // The kernel knows files by their real path.
    place: place ? await canonicalPath(place) : paths.directory,
    sizeBytes,
    key: key === undefined ? { file: paths.key } : key,
    encryptedBy: encryptedBy ?? (key !== null && (await canDmCrypt()) ? 'dm-crypt' : 'storage-daemon'),
  };
}

function adopt(found: Pool, wanted: Pool): 'adopted' {
  if (
    isEncrypted(found) === isEncrypted(wanted) &&
    found.place === wanted.place &&
    found.sizeBytes === wanted.sizeBytes
  )
    return 'adopted';
  throw new PoolError(`${found.home} has a pool already, of another description: "borealis pool status" shows it.`);
}

async function refuseOccupied(home: string): Promise<void> {
  const names = await readdir(home).catch(() => []);
  const { marker } = poolPaths(home);
  if (names.some((name) => join(home, name) !== marker))
    throw new PoolError(
      `${home} holds data already, and a pool is made for an empty home: choose another BOREALIS_HOME, or move this one away first.`,
    );
}

/** Only what an unfinished pool left is ever removed. */
async function refuseForeignImage(pool: Pool): Promise<void> {
  const names = await readdir(pool.place);
  if (names.some((name) => /^pool\.(luks|xfs|raw)$/.test(name)))
    throw new PoolError(`${pool.place} holds another pool already: choose another --path.`);
}

async function refuseTooLarge(pool: Pool): Promise<void> {
  const { bavail, bsize } = await statfs(pool.place);
  const free = bavail * bsize;
  if (pool.sizeBytes > free)
    throw new PoolError(
      `There is no room for a pool of ${toGiB(pool.sizeBytes)} on ${pool.place}: ${toGiB(free)} are free.`,
    );
}

export const toGiB = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

async function make(pool: Pool): Promise<void> {
  try {
    await makeImage(pool);
    const device = await layersOf(pool).open(pool);
    await runTool('mkfs.xfs', ['-q', '-f', '-K', '-m', 'reflink=1', device]);
    await markHome(pool);
    await mountDevice(pool, device);
    if (!(await canClone(pool.home))) throw new PoolError('This kernel’s XFS does not share blocks between files.');
    await takeDown(pool);
    await savePool({ ...pool, state: 'ready' });
  } catch (error) {
    await throwAway(pool);
    throw error;
  }
}

async function makeImage(pool: Pool): Promise<void> {
  const isOurs = pool.key !== null && 'file' in pool.key && (await ensureKeyFile(pool.key.file));
  await layersOf(pool).format(pool, isOurs ? 'random' : 'chosen');
}

/** The directory below the mount: whoever looks there while it is not mounted must not take it for a new home. */
async function markHome(pool: Pool): Promise<void> {
  await mkdir(pool.home, { recursive: true, mode: 0o711 });
  const { marker, directory } = poolPaths(pool.home);
  await writeFileAtomic(marker, `${JSON.stringify({ pool: directory })}\n`, 0o600);
}

async function throwAway(pool: Pool): Promise<void> {
  await takeDown(pool);
  const { record, marker } = poolPaths(pool.home);
  for (const file of [imageOf(pool), clearFile(pool), marker, record]) await rm(file, { force: true });
}
