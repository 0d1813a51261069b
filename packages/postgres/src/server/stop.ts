import { setTimeout as sleep } from 'node:timers/promises';
import { backendsOf, isPostmasterOf, orphansOf } from './cluster-processes.js';
import { isServerAlive, type ServerIdentity } from './identity.js';
import { listProcesses, lookUpProcess, type ProcessInfo } from './processes.js';
import { type ServerSpec, uidOf } from './spec.js';

export interface StopOptions {
  /** `fast` ends sessions and writes all to disk; `immediate` leaves that to recovery at the next start. */
  mode: 'fast' | 'immediate';
  /** How long that may take before the next harder way. */
  seconds: number;
}

const GRACE_SECONDS = 8;

/**
 * Ends the server, harder and harder: as asked, then immediate, then SIGKILL. When it returns no process of the server is left,
 * its backends included. A server that is gone already is no error.
 */
export async function stopServer(identity: ServerIdentity, options: StopOptions): Promise<void> {
  // Taken while the postmaster lives, because afterwards its children have another parent.
  const children = (await isServerAlive(identity)) ? await backendsOf(identity.pid) : [];
  if (options.mode === 'fast' && (await endWith(identity, 'SIGINT', options.seconds)))
    return finish(identity, children);
  await endWith(identity, 'SIGQUIT', options.mode === 'immediate' ? options.seconds : GRACE_SECONDS);
  return finish(identity, children);
}

/** Signals the postmaster and waits; true when it is gone in time. */
async function endWith(identity: ServerIdentity, signal: NodeJS.Signals, seconds: number): Promise<boolean> {
  const deadline = Date.now() + seconds * 1000;
  if (await isServerAlive(identity)) send(identity.pid, signal);
  while (await isServerAlive(identity)) {
    if (Date.now() > deadline) return false;
    await sleep(10);
  }
  return true;
}

async function finish(identity: ServerIdentity, children: ProcessInfo[]): Promise<void> {
  if (await isServerAlive(identity)) {
    const more = await backendsOf(identity.pid);
    send(identity.pid, 'SIGKILL');
    await killProcesses([...children, ...more]);
  }
  while (await isServerAlive(identity)) await sleep(10);
  await killProcesses([...children, ...(await orphansOf(identity.dataDirectory))]);
}

/**
 * Kills programs that were started as the server of that data directory, whoever started them, and what they have started themselves. For those
 * that hang before they have written a pid file: nothing else tells of them. One that the kernel does not let go is waited for a moment only.
 */
export async function endUnborn(spec: Pick<ServerSpec, 'dataDirectory' | 'os'>): Promise<void> {
  const all = await listProcesses();
  const unborn = all.filter(({ uid, command }) => uid === uidOf(spec) && isPostmasterOf(spec.dataDirectory, command));
  const children = all.filter(({ parent }) => unborn.some(({ pid }) => pid === parent));
  const killed = killProcesses([...unborn, ...children]);
  await Promise.race([killed, sleep(GRACE_SECONDS * 1000, undefined, { ref: false })]);
}

/** Kills these very processes, and returns when none of them is left. */
export async function killProcesses(found: readonly ProcessInfo[]): Promise<void> {
  for (const one of found) {
    if (await isSame(one)) send(one.pid, 'SIGKILL');
  }
  for (const one of found) {
    while (await isSame(one)) await sleep(10);
  }
}

async function isSame(known: ProcessInfo): Promise<boolean> {
  return (await lookUpProcess(known.pid))?.startTime === known.startTime;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
