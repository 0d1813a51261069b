import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Trouble } from '../events/alarm.js';
import { isSystemError } from '../system/files.js';

/** A finished file that waits longer than this is no matter of load any more: meanwhile the disk fills. */
export const LATE_MS = 60_000;

/** An archive that falls behind. */
export const ARCHIVE_TROUBLE: Trouble = {
  failing: 'archive-failing',
  recovered: 'archive-recovered',
  noted: 'archiveFailing',
  well: 'All finished WAL is in the archive again.',
};

/** What PostgreSQL itself holds back, as a sentence, when the oldest of it is late; null when nothing is. */
export async function heldBack(dataDirectory: string): Promise<string | null> {
  const waiting = await unarchived(dataDirectory);
  if (waiting[0] === undefined) return null;
  const found = await stat(join(statusDirectory(dataDirectory), waiting[0])).catch(() => null);
  if (!found || Date.now() - found.mtimeMs < LATE_MS) return null;
  const files = waiting.length === 1 ? '1 finished WAL file' : `${waiting.length} finished WAL files`;
  return `PostgreSQL could not copy ${files} into the spool for more than a minute.`;
}

/** The notes of PostgreSQL on finished files that it has not copied into the spool yet, oldest first. */
export async function unarchived(dataDirectory: string): Promise<string[]> {
  return (await list(statusDirectory(dataDirectory))).filter((name) => name.endsWith('.ready')).sort();
}

const statusDirectory = (dataDirectory: string) => join(dataDirectory, 'pg_wal', 'archive_status');

async function list(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
