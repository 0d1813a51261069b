import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, type ProcessIdentity } from './process-identity.js';

/** Signals the process if it still is that one; true when the signal was sent. */
export async function signal(identity: ProcessIdentity, name: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(identity))) return false;
  try {
    process.kill(identity.pid, name);
    return true;
  } catch {
    return false;
  }
}

/** Waits until the process is gone, at most so long; false when it still lives. */
export async function waitForExit(identity: ProcessIdentity, seconds: number): Promise<boolean> {
  const end = Date.now() + seconds * 1000;
  while (await isAlive(identity)) {
    if (Date.now() > end) return false;
    await sleep(20);
  }
  return true;
}

/** Ends the process: asks with SIGTERM, insists with SIGKILL after `seconds`. Resolves when it is gone. */
export async function terminate(identity: ProcessIdentity, seconds: number): Promise<void> {
  await signal(identity, 'SIGTERM');
  if (await waitForExit(identity, seconds)) return;
  await signal(identity, 'SIGKILL');
  if (!(await waitForExit(identity, 30))) throw new Error(`Process ${identity.pid} does not end, not even by SIGKILL.`);
}
