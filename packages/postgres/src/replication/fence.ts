import { setTimeout as sleep } from 'node:timers/promises';
import { backendsOf, isPostmasterOf, orphansOf } from '../server/cluster-processes.js';
import { listProcesses, type ProcessInfo } from '../server/processes.js';
import { killProcesses } from '../server/stop.js';

const LOOK_MS = 5;
const PATIENCE_MS = 30_000;

/**
 * Kills every process of the server of that data directory, also one that hangs or whose postmaster is gone; when it returns nobody can be
 * told by it that a commit is safe. Throws when a process does not die, as one that waits for a dead disk.
 */
export async function fenceServer(dataDirectory: string): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await processesOf(dataDirectory);
    if (found.length === 0) return;
    if (Date.now() > end)
      throw new Error(`Processes of the server in "${dataDirectory}" do not end, not even by SIGKILL.`);
    await Promise.race([killProcesses(found), sleep(1000)]);
    await sleep(LOOK_MS);
  }
}

/** Postmasters first, so that they start nothing more. */
async function processesOf(dataDirectory: string): Promise<ProcessInfo[]> {
  const all = await listProcesses();
  const postmasters = all.filter(({ command }) => isPostmasterOf(dataDirectory, command));
  const children = await Promise.all(postmasters.map(({ pid }) => backendsOf(pid, all)));
  return [...postmasters, ...children.flat(), ...(await orphansOf(dataDirectory, all))];
}
