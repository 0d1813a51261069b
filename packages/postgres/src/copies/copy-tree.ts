import { chown, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncPath } from '../durable.js';
import type { OsUser } from '../server/spec.js';
import { CONTROL_FILE, listCopiedFiles } from './copied-files.js';
import { type CopyMethod, copyOneFile, probeMethod } from './copy-file.js';

export interface CopyOptions {
  /** Who reads the source: its files belong to this user id. */
  from: number;
  /** Who the copy belongs to; null: this process's own user. */
  to: OsUser | null;
  /** Ends the copy early; what there is of it is the caller's to remove. */
  signal: AbortSignal;
  /** True: nobody changes the source, so a file that vanishes is an error and not a table that was dropped. */
  isStill?: boolean;
  /** Told again and again how far it is, in bytes. */
  onProgress?(copied: number, total: number): void;
}

/** A shared file is one short call; a plain copy is bounded by the disk, which others use, too. */
const AT_ONCE: Record<CopyMethod, number> = { reflink: 4, plain: 2 };

/**
 * Copies what belongs to a data directory into `target`, a new directory: the control file last, everything on disk when it
 * returns. Files that vanish meanwhile are left out. Gives how it was copied and how many bytes.
 */
export async function copyTree(
  source: string,
  target: string,
  options: CopyOptions,
): Promise<{ method: CopyMethod; bytes: number }> {
  const { directories, files } = await listCopiedFiles(source);
  await makeDirectories(target, ['', ...directories], options.to);
  const trial = join(target, 'trial');
  const method = await probeMethod(join(source, CONTROL_FILE), trial);
  await rm(trial, { force: true });
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let bytes = 0;
  const onBytes = (more: number) => {
    bytes += more;
    options.onProgress?.(bytes, total);
  };
  const syncLater = method === 'reflink';
  const copying = { method, from: options.from, to: options.to, signal: options.signal, syncLater, onBytes };
  const paths = files.map(({ path }) => path).filter((path) => path !== CONTROL_FILE);
  const copied: string[] = [];
  const copy = async (path: string) => {
    if (await copyOneFile(join(source, path), join(target, path), copying)) copied.push(join(target, path));
    else if (options.isStill || path === CONTROL_FILE) throw new Error(`"${path}" in "${source}" is gone.`);
  };
  await allAtOnce(method, paths, copy);
  await copy(CONTROL_FILE);
  // The first of them brings nearly all to disk: the file system writes what it noted of every file at once.
  const sync = async (path: string) => {
    options.signal.throwIfAborted();
    await syncPath(path);
  };
  if (syncLater) await allAtOnce(method, copied, sync);
  for (const path of ['', ...directories]) await syncPath(join(target, path));
  return { method, bytes };
}

async function allAtOnce(method: CopyMethod, paths: string[], work: (path: string) => Promise<void>): Promise<void> {
  await allDone(Array.from({ length: AT_ONCE[method] }, () => takeAll(paths, work)));
}

/** Takes one path after the other until there is none. */
async function takeAll(paths: string[], work: (path: string) => Promise<void>): Promise<void> {
  for (let path = paths.pop(); path !== undefined; path = paths.pop())
    await work(path).catch((error: unknown) => {
      // The others end with their file.
      paths.length = 0;
      throw error;
    });
}

/** Waits for all, so that nothing is written any more when the first failure is told. */
async function allDone(workers: Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(workers)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function makeDirectories(target: string, paths: string[], to: OsUser | null): Promise<void> {
  for (const path of paths) {
    const directory = join(target, path);
    await mkdir(directory, { mode: 0o700 });
    if (to && process.getuid?.() === 0) await chown(directory, to.uid, to.gid);
  }
}
