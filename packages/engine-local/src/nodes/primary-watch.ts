import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, fenceServer, isServerAlive, type ServerSpec } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { announceNodes } from './announce.js';
import { isReplicated } from './roles.js';

const LOOK_MS = 1000;
/** A primary that does not answer a new session for so long, and then another one for so long, hangs. */
const HANG_MS = 9000;
const AGAIN_MS = 3000;
/** The disk of all nodes writes a few bytes in this time, or it is the disk that hangs. */
const DISK_MS = 5000;

/**
 * Watches whether the primary of a cluster with standbys answers, until `signal` says so. One that hangs is ended, so that the cluster's loop has
 * a standby take over or starts it again. A disk that hangs is no reason: all nodes share it.
 */
export async function watchPrimary(state: ClusterState, signal: AbortSignal): Promise<void> {
  let isStalled = false;
  while (!signal.aborted) {
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
    try {
      const stalls = await look(state, signal);
      if (stalls && !isStalled)
        await announceNodes(state, 'disk-stalled', 'The primary does not answer, and its disk does not write either.');
      isStalled = stalls;
    } catch (error) {
      state.context.log.error({ cluster: state.journal.record.id, err: error }, 'the primary could not be watched');
    }
  }
}

/** Ends a primary that hangs; true when its disk hangs instead. */
async function look(state: ClusterState, signal: AbortSignal): Promise<boolean> {
  const { server, journal } = state;
  if (!isReplicated(journal.record) || !server || !state.promoted) return false;
  const spec = serverSpec(state);
  // Twice, since time may have passed without this process running, too.
  if ((await answers(spec, HANG_MS)) || (await answers(spec, AGAIN_MS))) return false;
  if (signal.aborted || state.server !== server || !(await isServerAlive(server))) return false;
  if (!(await isDiskWriting(journal.paths.directory))) return true;
  state.context.log.error({ cluster: journal.record.id, pid: server.pid }, 'the primary hangs and is ended');
  state.failoverAt ??= Date.now();
  await fenceServer(server.dataDirectory);
  state.wake();
  return false;
}

/** True when a new session is answered in time, be it with a refusal. */
export async function answers(spec: ServerSpec, milliseconds: number): Promise<boolean> {
  const asked = ask(spec).catch((error: unknown) => {
    // PostgreSQL's own errors, and those of the system, come from somebody; a connection that times out has no code.
    return typeof (error as { code?: unknown }).code === 'string';
  });
  const late = sleep(milliseconds, false, { ref: false });
  return Promise.race([asked, late]);
}

async function ask(spec: ServerSpec): Promise<boolean> {
  const client = await connect(spec);
  try {
    await client.query('select 1');
    return true;
  } finally {
    // Not waited for: it may hang by now.
    void client.end().catch(() => undefined);
  }
}

/** True when a file in the directory can be written through to the disk in time. */
export async function isDiskWriting(directory: string, milliseconds = DISK_MS): Promise<boolean> {
  const path = join(directory, `.probe-${randomBytes(6).toString('hex')}`);
  const written = write(path).then(() => true);
  written.catch(() => undefined);
  return Promise.race([written, sleep(milliseconds, false, { ref: false })]);
}

async function write(path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.write('x');
    await file.sync();
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}
