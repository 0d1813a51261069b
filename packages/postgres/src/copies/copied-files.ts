import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** What a data directory's copy consists of; all paths are relative to it, directories before what is in them. */
export interface CopiedFiles {
  directories: string[];
  /** With their sizes in bytes at this moment. */
  files: { path: string; bytes: number }[];
}

/** The last file of a copy: it says from which checkpoint the rest begins. */
export const CONTROL_FILE = 'global/pg_control';

/** A server makes their contents anew, or they are of no use to another one; the log that is needed is copied afterwards. */
const EMPTY_DIRECTORIES = [
  ...['pg_wal', 'pg_replslot', 'pg_dynshmem', 'pg_notify', 'pg_serial', 'pg_snapshots', 'pg_stat_tmp', 'pg_subtrans'],
];

/** State of the running server, its configuration, and temporary files. */
const LEFT_OUT = [
  /^postmaster\.(pid|opts)$/,
  /^(backup_label|tablespace_map|backup_manifest|current_logfiles)/,
  /^[^/]*\.signal$/,
  /^(postgresql|pg_hba|pg_ident)\b[^/]*$/,
  /(^|\/)pgsql_tmp/,
  /(^|\/)pg_internal\.init/,
  /(^|\/)t\d+_\d+(_[a-z]+)?(\.\d+)?$/,
];

/**
 * Lists what is copied of a data directory that a server may be writing to. Throws where it holds a link, as it does with
 * tablespaces: what lies elsewhere would not be a part of the copy.
 */
export async function listCopiedFiles(dataDirectory: string): Promise<CopiedFiles> {
  const found: CopiedFiles = { directories: [], files: [] };
  await list(dataDirectory, '', found);
  return found;
}

/** Bytes that a copy of this data directory has, as it is now. */
export async function copiedBytes(dataDirectory: string): Promise<number> {
  const { files } = await listCopiedFiles(dataDirectory);
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

async function list(root: string, directory: string, found: CopiedFiles): Promise<void> {
  const entries = await readdir(join(root, directory), { withFileTypes: true }).catch(nothingIfMissing);
  for (const entry of entries) {
    const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
    if (LEFT_OUT.some((pattern) => pattern.test(path))) continue;
    if (entry.isSymbolicLink())
      throw new Error(`"${path}" in "${root}" is a link: a server with tablespaces or links cannot be copied.`);
    if (entry.isDirectory()) {
      found.directories.push(path);
      if (!EMPTY_DIRECTORIES.includes(path)) await list(root, path, found);
    } else if (entry.isFile()) {
      const file = await lstat(join(root, path)).catch(() => null);
      if (file) found.files.push({ path, bytes: file.size });
    }
  }
}

/** A database that was dropped meanwhile. */
function nothingIfMissing(error: NodeJS.ErrnoException): [] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
