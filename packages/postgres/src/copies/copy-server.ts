import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { syncPath } from '../durable.js';
import { writeNew } from '../server/configuration.js';
import { connect } from '../server/connection.js';
import { type OsUser, type ServerSpec, uidOf } from '../server/spec.js';
import { type BackupEnd, beginBackup, endBackup, keepLog } from './backup-session.js';
import { type CopyMethod, copyOneFile } from './copy-file.js';
import { type CopyOptions, copyTree } from './copy-tree.js';
import { segmentsUntil } from './wal-segments.js';

/** A complete copy of a running server's data directory. */
export interface ServerCopy {
  method: CopyMethod;
  /** Of the data; the log that belongs to it is not counted. */
  bytes: number;
  /** The first segment of the log that it needs; those up to the end of the copy are in it, or in the archive where that was allowed. */
  firstSegment: string;
  stopLsn: string;
  /** From this moment on the copy can be brought to any later one: ISO 8601 in UTC to the microsecond. */
  stoppedAt: string;
}

export interface ServerCopyOptions extends Omit<CopyOptions, 'from'> {
  /**
   * True for a file of the log that is in an archive: then the copy may lack it. A server keeps only so much of its log for a copy that takes
   * long. Left out: the copy has all that it needs, or fails.
   */
  isArchived?(name: string): Promise<boolean>;
}

/**
 * Copies the data of a running server into `target`, a new directory, without its configuration. A server that is started on it
 * recovers by itself to the end of the copy: every commit acknowledged before the call is there. The source goes on meanwhile;
 * whatever ends this early, it forgets the copy.
 */
export async function copyServer(source: ServerSpec, target: string, options: ServerCopyOptions): Promise<ServerCopy> {
  const copying: CopyOptions = { ...options, from: uidOf(source) };
  const client = await connect(source);
  // A session of its own: with the log, the server gives up whoever keeps too much of it.
  const keeper = await connect(source).catch(async (error: unknown) => {
    await client.end().catch(() => {});
    throw error;
  });
  const end = () => Promise.allSettled([client.end(), keeper.end()]);
  // Nothing else is asked meanwhile, so this wakes nobody but a checkpoint that is waited for.
  const abort = () => void end();
  options.signal.addEventListener('abort', abort);
  try {
    options.signal.throwIfAborted();
    await keepLog(keeper);
    await beginBackup(client);
    const { method, bytes } = await copyTree(source.dataDirectory, target, copying);
    const ended = await endBackup(client);
    await copyLog(source.dataDirectory, target, ended, method, { ...copying, isArchived: options.isArchived });
    await writeLabels(target, ended, options.to);
    return { method, bytes, firstSegment: ended.firstSegment, stopLsn: ended.stopLsn, stoppedAt: ended.stoppedAt };
  } finally {
    options.signal.removeEventListener('abort', abort);
    await end();
  }
}

/** The log from the copy's first checkpoint to its end, and the history of the timelines before. */
async function copyLog(
  source: string,
  target: string,
  end: BackupEnd,
  method: CopyMethod,
  { from, to, signal, isArchived }: CopyOptions & { isArchived: ServerCopyOptions['isArchived'] | undefined },
): Promise<void> {
  const how = { method, from, to, signal, onBytes: () => {} };
  const histories = (await readdir(join(source, 'pg_wal'))).filter((name) => /^[0-9A-F]{8}\.history$/.test(name));
  for (const name of [...histories, ...segmentsUntil(end.firstSegment, end.stopLsn, end.segmentBytes)]) {
    const path = join('pg_wal', name);
    if (!(await copyOneFile(join(source, path), join(target, path), how)) && !(await isArchived?.(name)))
      throw new Error(`The server removed a part of its log (${name}) that the copy of it needs.`);
  }
  await syncPath(join(target, 'pg_wal'));
}

async function writeLabels(target: string, { label, tablespaceMap }: BackupEnd, to: OsUser | null): Promise<void> {
  await writeNew(join(target, 'backup_label'), label, to);
  if (tablespaceMap !== '') await writeNew(join(target, 'tablespace_map'), tablespaceMap, to);
  await syncPath(target);
}
