import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '@borealis/engine';
import { connect, finishLog, type LogSegment } from '@borealis/postgres';
import { archiveOf } from '../archive/archive-of.js';
import type { WalArchive } from '../archive/wal-archive.js';
import { parseSegment } from '../archive/wal-names.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { isSystemError } from '../system/files.js';

const LOOK_MS = 50;
const PATIENCE_MS = 60_000;

/** Brings what the server has committed so far into the archive; false when it does not run. Throws `not_ready` when it does not get there. */
export async function archiveUpToNow(state: ClusterState, signal: AbortSignal): Promise<boolean> {
  if (!state.server) return false;
  const segment = await finishSegment(state);
  const end = Date.now() + PATIENCE_MS;
  while (!(await archiveOf(state).has(segment))) {
    signal.throwIfAborted();
    if (Date.now() > end)
      throw new EngineError('not_ready', 'The newest part of the log does not reach the archive: try again later.');
    await sleep(LOOK_MS);
  }
  return true;
}

async function finishSegment(state: ClusterState): Promise<string> {
  try {
    const client = await connect(serverSpec(state));
    return await finishLog(client).finally(() => client.end());
  } catch (error) {
    throw new EngineError('not_ready', 'The server does not finish its log now: try again later.', { cause: error });
  }
}

/** Gives the segments one after the other, and tells how many it has given. */
export async function* readSegments(
  archive: WalArchive,
  names: readonly string[],
  onRead: (read: number) => void,
): AsyncGenerator<LogSegment> {
  for (const [index, name] of names.entries()) {
    onRead(index);
    yield { number: parseSegment(name).number, content: contentOf(archive, name) };
  }
  onRead(names.length);
}

async function* contentOf(archive: WalArchive, name: string): AsyncGenerator<Buffer> {
  try {
    yield* archive.read(name);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
    throw new EngineError(
      'not_ready',
      'The oldest part of the log was removed meanwhile, as its time was over: try again.',
    );
  }
}
