import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 10_000;

/**
 * A dyno ends as a whole with its first process. Ends what that one left in its group, and waits until the tunnels are closed:
 * they have sessions of their own and go a moment later, and until then the next dyno could not open its own on the same ports.
 */
export async function endLeftovers(group: number | undefined, slug: string): Promise<void> {
  if (group) tell(-group, 'SIGKILL');
  const deadline = Date.now() + PATIENCE_MS;
  while (supervisors(slug).some((pid) => tell(pid, 0)) && Date.now() < deadline) await sleep(50);
}

/** The processes that keep this slug's tunnels open, as they noted themselves. The app may have written there, too: only ever look at them, and expect anything. */
function supervisors(slug: string): number[] {
  const folder = join(slug, '.borealis-pg');
  return namesIn(folder)
    .filter((name) => name.startsWith('tunnel.'))
    .map((name) => Number.parseInt(read(join(folder, name, 'pid')), 10))
    .filter((pid) => pid > 0);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Waits for nobody (a pipe), goes nowhere else (a link), and takes no more than a number is long. */
function read(file: string): string {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if (!fstatSync(descriptor).isFile()) return '';
    const content = Buffer.alloc(20);
    return content.toString('latin1', 0, readSync(descriptor, content));
  } catch {
    return '';
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** False when there is nobody to tell. */
function tell(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
