import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Processes whose working directory is a tunnel's: ssh, its supervisor, and the naps that they take. */
export function processesIn(directory: string): { pid: number; command: string }[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      if (!/^\d+$/.test(pid) || readlinkSync(`/proc/${pid}/cwd`) !== directory) return [];
      return [{ pid: Number(pid), command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0]! }];
    } catch {
      return [];
    }
  });
}

/** SIGTERM to each that still runs: naps are short. */
export function sendTerm(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGTERM');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
