import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterJournal } from '../cluster/record.js';
import { ensureDirectory, isSystemError, syncDirectory } from '../system/files.js';

/** Where the data that a rebuild under way replaces is kept. */
export function brokenData({ record: { rebuild }, paths }: ClusterJournal): string {
  if (!rebuild) throw new Error('BUG: no rebuild is under way');
  return join(paths.broken, String(Date.parse(rebuild.begunAt)));
}

/** Moves the damaged data aside, once; what an earlier rebuild kept goes. Only while no server runs on it. */
export async function setBrokenDataAside(journal: ClusterJournal): Promise<void> {
  const { paths } = journal;
  const aside = brokenData(journal);
  await ensureDirectory(paths.broken, 0o700);
  if (await exists(aside)) return;
  await removeBrokenData(paths.broken, Date.now());
  if (await exists(paths.data)) await rename(paths.data, aside);
  else await mkdir(aside, { mode: 0o700 });
  for (const directory of [paths.broken, paths.postgres]) await syncDirectory(directory);
}

/** Removes all but the log of what a rebuild replaces: without room for both, the copy of the base is worth more. */
export async function stripBrokenData(journal: ClusterJournal): Promise<void> {
  const aside = brokenData(journal);
  for (const name of await readdir(aside))
    if (name !== 'pg_wal') await rm(join(aside, name), { recursive: true, force: true, maxRetries: 5 });
}

/** Removes damaged data that was set aside before that time, in milliseconds since 1970. */
export async function removeBrokenData(broken: string, before: number): Promise<void> {
  const names = await readdir(broken).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  });
  for (const name of names)
    if (Number(name) < before) await rm(join(broken, name), { recursive: true, force: true, maxRetries: 5 });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => {
      if (isSystemError(error, 'ENOENT')) return false;
      throw error;
    },
  );
}
