import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessRow {
  pid: number;
  parent: number;
  command: string;
}

/** Every process of this machine with its full command line. */
export function processes(): ProcessRow[] {
  return execFileSync('ps', ['-A', '-ww', '-o', 'pid=,ppid=,args='], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
    .split('\n')
    .flatMap((line) => {
      const match = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line);
      return match ? [{ pid: Number(match[1]), parent: Number(match[2]), command: match[3]! }] : [];
    });
}

/**
 * Those that no other of them made. PostgreSQL makes a process for each session, and until it knows whose that is, the process shows
 * the command line of the server.
 */
export function withoutChildren<T extends { pid: number }>(rows: readonly T[]): T[] {
  const parents = new Map(processes().map(({ pid, parent }) => [pid, parent]));
  const isChild = (pid: number) => rows.some((row) => row.pid === parents.get(pid));
  return rows.filter(({ pid }) => parents.has(pid) && !isChild(pid));
}

/** Processes whose command line or working directory lies in `home`: everything that an installation there may leave behind. */
export function processesOf(home: string): ProcessRow[] {
  const inHome = processes().filter(({ pid, command }) => pid !== process.pid && command.includes(home));
  const byDirectory = process.platform === 'linux' ? workingIn(home) : [];
  return [
    ...inHome,
    ...processes().filter(({ pid }) => byDirectory.includes(pid) && !inHome.some((row) => row.pid === pid)),
  ];
}

function workingIn(home: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const variables = readFileSync(`/proc/${name}/cmdline`, 'latin1');
      return variables.includes(home) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** Kills one process the hardest way; no error when it is gone already. */
export function kill9(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
