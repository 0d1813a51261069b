import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, finishLog, restoreBase, type ServerIdentity } from '@borealis/postgres';
import { archiveOf } from '../archive/archive-of.js';
import { stageWal } from '../archive/stage.js';
import { firstOf, type WalSource } from '../archive/wal-source.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { logOfRebuild } from '../rebuild/rebuild-log.js';
import { storedLog } from '../store/import-origin.js';
import { isSystemError } from '../system/files.js';
import { eraAt } from './eras.js';
import { keepLeftLog, keptLog } from './left-log.js';
import { pendingOrigin } from './pending-origin.js';
import { nearestBase } from './restore-window.js';
import { requireRoom } from './room.js';
import { findSource } from './source.js';

const LOOK_MS = 50;

/**
 * Copies the base that is nearest before the moment, once all of the log up to that moment is in the archive, or was kept from a source
 * that does not run.
 */
export async function copyPast(
  state: ClusterState,
  source: ClusterState,
  moment: string,
  data: string,
  onProgress: (copied: number, total: number) => void,
): Promise<Awaited<ReturnType<typeof restoreBase>>> {
  state.detail = 'Waiting for the log to be archived up to now';
  // Looked at once: one that starts in between would leave both undone.
  const isRunning = source.server !== null;
  // The log of a former major is complete, and nothing is added to it any more.
  const isPresent = eraAt(source, moment).until === null;
  if (isPresent && isRunning) await archiveUpToNow(state, source);
  const base = await nearestBase(source, moment);
  if (isPresent && !isRunning) await keepLeftLog(state, source, base);
  await requireRoom(source, base.bytes);
  const to = state.users?.postgres ?? null;
  return restoreBase(base.data, data, { from: process.getuid!(), to, signal: state.ending, onProgress });
}

async function archiveUpToNow(state: ClusterState, source: ClusterState): Promise<void> {
  const client = await connect(serverSpec(source));
  const segment = await finishLog(client).finally(() => client.end());
  while (!(await archiveOf(source).has(segment))) {
    state.ending.throwIfAborted();
    findSource(state, source.journal.record.id);
    await sleep(LOOK_MS);
  }
}

/** The log that a server still has to be brought forward by. */
export interface PendingLog {
  source: WalSource;
  /** The segment that its recovery begins with. */
  from: string;
}

/**
 * Runs `start`, which returns once the server has recovered, and gives the server the log that it asks for meanwhile, in the directory that its
 * `restoreCommand` names.
 */
export async function withLog(
  state: ClusterState,
  { source, from }: PendingLog,
  start: () => Promise<ServerIdentity>,
  directory = state.journal.paths.walStage,
): Promise<ServerIdentity> {
  const over = new AbortController();
  const staging = stageWal(source, from, directory, state.users?.postgres, over.signal);
  const failure = staging.then(() => new Promise<never>(() => {}));
  try {
    return await Promise.race([start(), failure]);
  } finally {
    over.abort();
    await staging.catch(() => undefined);
  }
}

/** What the server still needs to reach the moment of its origin, or the end of its log in a rebuild; null when it needs nothing. */
export async function pendingLog(state: ClusterState): Promise<PendingLog | null> {
  const { record, paths } = state.journal;
  const origin = pendingOrigin(record);
  if (!origin?.moment && !origin?.fromStore && !record.rebuild) return null;
  // PostgreSQL removes it when it goes on by itself, and needs its source no more.
  const isRecovering = await stat(join(paths.data, 'recovery.signal')).then(() => true, notThere);
  if (!isRecovering) return null;
  if (record.rebuild) return logOfRebuild(state, record.rebuild);
  if (origin!.fromStore) return storedLog(state.context, origin!);
  const source = findSource(state, origin!.clusterId);
  const { firstSegment } = await nearestBase(source, origin!.moment!);
  const { paths: past } = eraAt(source, origin!.moment!);
  return { source: firstOf(archiveOf(source, past), keptLog(state)), from: firstSegment };
}

function notThere(error: unknown): false {
  if (isSystemError(error, 'ENOENT')) return false;
  throw error;
}
