import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterOrigin } from '@borealis/engine';
import { connect, finishLog, restoreBase, type ServerIdentity } from '@borealis/postgres';
import { archiveOf } from '../archive/archive-of.js';
import { stageWal } from '../archive/stage.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { isSystemError } from '../system/files.js';
import { pendingOrigin } from './pending-origin.js';
import { nearestBase } from './restore-window.js';
import { requireRoom } from './room.js';
import { findSource } from './source.js';

const LOOK_MS = 50;

/** Copies the base that is nearest before the moment, once all of the log up to that moment is in the archive. */
export async function copyPast(
  state: ClusterState,
  source: ClusterState,
  moment: string,
  data: string,
  onProgress: (copied: number, total: number) => void,
): Promise<Awaited<ReturnType<typeof restoreBase>>> {
  state.detail = 'Waiting for the log to be archived up to now';
  await archiveUpToNow(state, source);
  const base = await nearestBase(source, moment);
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

/** Runs `start`, which returns once the server has reached the moment of its origin, and gives the server the log that it asks for meanwhile. */
export async function withPastLog(
  state: ClusterState,
  { clusterId, moment }: ClusterOrigin & { moment: string },
  start: () => Promise<ServerIdentity>,
): Promise<ServerIdentity> {
  const source = findSource(state, clusterId);
  const { firstSegment } = await nearestBase(source, moment);
  const over = new AbortController();
  const { walStage } = state.journal.paths;
  const staging = stageWal(archiveOf(source), firstSegment, walStage, state.users?.postgres, over.signal);
  const failure = staging.then(() => new Promise<never>(() => {}));
  try {
    return await Promise.race([start(), failure]);
  } finally {
    over.abort();
    await staging.catch(() => undefined);
  }
}

/** The moment that the server still has to be brought to; null when there is none, or it is reached. */
export async function pendingMoment({ journal }: ClusterState): Promise<(ClusterOrigin & { moment: string }) | null> {
  const origin = pendingOrigin(journal.record);
  if (!origin?.moment) return null;
  // PostgreSQL removes it when it goes on by itself, and needs its source no more.
  const isRecovering = await stat(join(journal.paths.data, 'recovery.signal')).then(() => true, notThere);
  return isRecovering ? { ...origin, moment: origin.moment } : null;
}

function notThere(error: unknown): false {
  if (isSystemError(error, 'ENOENT')) return false;
  throw error;
}
