import { mkdir, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { ensureDirectory, readIfPresent, writeFileAtomic } from '../system/files.js';
import { PoolError } from './pool-error.js';

const keySource = z.union([z.strictObject({ file: z.string() }), z.strictObject({ command: z.string() })]);
/** Where the key comes from: a file of mode 0600, or the standard output of a shell command. */
export type KeySource = z.infer<typeof keySource>;

const record = z.strictObject({
  format: z.literal(1),
  /** `making`: nothing of value can be in it, and the next `createPool` begins anew. */
  state: z.enum(['making', 'ready']),
  /** The directory that holds the image. */
  place: z.string(),
  /** What the image shall hold; a pool that was not grown to the end is so when it is mounted next. */
  sizeBytes: z.number().int().positive(),
  /** Null: the pool is not encrypted. */
  key: keySource.nullable(),
  /** A change of the key that was begun and not finished. */
  rekeying: z.strictObject({ from: keySource, to: keySource }).optional(),
  /** What encrypts it. */
  encryptedBy: z.enum(['dm-crypt', 'storage-daemon']).default('storage-daemon'),
});
export type PoolRecord = z.infer<typeof record>;

/** The pool of one home: a file system of its own, mounted on the home's directory. What describes it lies beside the home. */
export interface Pool extends PoolRecord {
  /** Where it is mounted. */
  home: string;
}

/** The directory's one name, links resolved; also when it is not there, or nothing can be read in it. */
export async function canonicalPath(directory: string): Promise<string> {
  const wanted = resolve(directory);
  const parent = dirname(wanted);
  const path = join(await realpath(parent).catch(() => parent), basename(wanted));
  const target = await readlink(path).catch(() => null);
  return target === null ? path : canonicalPath(resolve(dirname(path), target));
}

/** `directory` is the home's with `.pool` at its end: as long as the pool is not mounted it is all that can be read. */
export function poolPaths(home: string) {
  const directory = `${home}.pool`;
  return {
    directory,
    record: join(directory, 'pool.json'),
    /** Held while somebody mounts, unmounts or grows. */
    lock: join(directory, 'change.lock'),
    /** Held by what runs on the pool, for as long as it runs. */
    usage: join(directory, 'use.lock'),
    daemonLog: join(directory, 'daemon.log'),
    key: join(directory, 'pool.key'),
    /** In the home while the pool is not mounted: keeps everything from beginning anew beside the data. */
    marker: join(home, 'pool.json'),
  };
}

export const isEncrypted = (pool: Pool): boolean => pool.key !== null;

/** The file that is the pool. */
export const imageOf = (pool: Pool): string => join(pool.place, isEncrypted(pool) ? 'pool.luks' : 'pool.xfs');

/** Where a storage daemon shows the image in clear. */
export const clearFile = (pool: Pool): string => join(pool.place, 'pool.raw');

/** The pool of that home, mounted or not; null when it has none. */
export async function findPool(directory: string): Promise<Pool | null> {
  const home = await canonicalPath(directory);
  const file = poolPaths(home).record;
  const text = await readIfPresent(file);
  if (text === null) return null;
  const parsed = record.safeParse(parseJson(text));
  if (!parsed.success) throw new PoolError(`${file} does not describe a pool: restore it from a copy.`);
  return { home, ...parsed.data };
}

export async function savePool({ home, ...content }: Pool): Promise<void> {
  const paths = poolPaths(home);
  await mkdir(paths.directory, { recursive: true, mode: 0o700 });
  await ensureDirectory(paths.directory, 0o700);
  await writeFileAtomic(paths.record, `${JSON.stringify(content, null, 2)}\n`, 0o600);
}

/** Throws while the directory is the place of a pool that is not mounted: what is written there would not be on it. */
export async function refuseUnmounted(home: string): Promise<void> {
  const { marker, directory } = poolPaths(await canonicalPath(home));
  if ((await readIfPresent(marker)) === null) return;
  throw new PoolError(`${home} lives on a pool that is not mounted, and ${directory} describes it.`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
