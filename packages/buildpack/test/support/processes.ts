import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Processes whose working directory is a tunnel's: ssh and its supervisor. */
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
