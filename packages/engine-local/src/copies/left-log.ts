import { existsSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { archiveOf } from '../archive/archive-of.js';
import { takeSpooled } from '../archive/take-spooled.js';
import { parseSegment } from '../archive/wal-names.js';
import { LeftWal } from '../archive/wal-source.js';
import { findRunningServer } from '../cluster/running.js';
import type { ClusterState } from '../cluster/state.js';
import { leftWal } from '../rebuild/rebuild-log.js';
import { ensureDirectory } from '../system/files.js';
import type { Base } from './bases.js';
import { pendingOrigin } from './pending-origin.js';

/**
 * Copies what a source whose server does not run has not archived of its log since the base: whatever becomes of the source from then on,
 * all that it had committed is there.
 */
export async function keepLeftLog(state: ClusterState, source: ClusterState, base: Base): Promise<void> {
  const { walLeft } = state.journal.paths;
  await refuseRunning(source);
  await rm(walLeft, { recursive: true, force: true });
  await ensureDirectory(walLeft, 0o700);
  const archive = archiveOf(source);
  await takeSpooled(archive);
  const left = leftWal(source);
  const { number } = parseSegment(base.firstSegment);
  for (const name of await left.segments())
    if (parseSegment(name).number >= number && !(await archive.has(name)))
      await write(join(walLeft, name), left.read(name));
  await refuseRunning(source);
}

/** One that has begun to start meanwhile changes its log; damaged data that was set aside changes no more. */
async function refuseRunning({ journal }: ClusterState): Promise<void> {
  if (!journal.record.rebuild && (await findRunningServer(journal)))
    throw new Error(`The cluster "${journal.record.id}", which is to be copied, is being started.`);
}

async function write(path: string, content: AsyncIterable<Buffer>): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const part of content) await file.writeFile(part);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** What was kept of a source's log; it has nothing where the source ran. */
export function keptLog({ journal }: ClusterState): LeftWal {
  return new LeftWal(journal.paths.walLeft, process.getuid!());
}

/**
 * True when a restore has come to the end of the log of a source that does not run, and its moment is later: then all commits are there,
 * and the server is to be told so. PostgreSQL itself takes it for a failure, since it knows its moment only by a later commit.
 */
export function isAtEndOfLog(state: ClusterState, error: unknown): boolean {
  const { record, paths } = state.journal;
  const isEnd = /recovery ended before configured recovery target was reached/.test((error as Error).message);
  return isEnd && Boolean(pendingOrigin(record)?.moment) && existsSync(paths.walLeft);
}
