import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { run } from '../run.js';

/** A process as the kernel tells of it. Pids are used again; pid and start time together are not, within one boot. */
export interface ProcessInfo {
  pid: number;
  parent: number;
  uid: number;
  startTime: string;
  /** The program's arguments, or the title that the process gave itself. */
  command: string;
}

const onLinux = process.platform === 'linux';

/** Processes looked at in one turn of the event loop: some milliseconds. */
const PER_TURN = 100;

/** The process with this pid; null when there is none or it only waits to be reaped. */
export async function lookUpProcess(pid: number): Promise<ProcessInfo | null> {
  if (onLinux) return readProc(pid);
  return (await listByPs(['-p', String(pid)]))[0] ?? null;
}

/** Every process of this machine that we may see. */
export async function listProcesses(): Promise<ProcessInfo[]> {
  if (!onLinux) return listByPs(['-ax']);
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found: ProcessInfo[] = [];
  for (const [at, pid] of pids.entries()) {
    const one = readProc(pid);
    if (one) found.push(one);
    if ((at + 1) % PER_TURN === 0) await turn();
  }
  return found;
}

/** Changes with every start of the machine. */
export async function bootId(): Promise<string> {
  if (onLinux) return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  return (await run('/usr/sbin/sysctl', ['-n', 'kern.boottime'])).stdout.trim();
}

/** Nothing of it comes from a disk, and promises would cost ten times what the kernel does: this is asked for while clients wait. */
function readProc(pid: number): ProcessInfo | null {
  try {
    const [stat, status, command] = ['stat', 'status', 'cmdline'].map((file) =>
      readFileSync(`/proc/${pid}/${file}`, 'utf8'),
    );
    // The name in parentheses may hold anything, so fields are counted from the last parenthesis: state, parent, …
    const fields = stat!.slice(stat!.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null;
    const uid = Number(/^Uid:\t\d+\t(\d+)/m.exec(status!)?.[1]);
    return { pid, parent: Number(fields[1]), uid, startTime: fields[19]!, command: plainCommand(command!) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}

function plainCommand(cmdline: string): string {
  return cmdline.replace(/\0+$/, '').replaceAll('\0', ' ');
}

// Elsewhere (macOS) `ps` tells the same; start times there have a resolution of a second.
async function listByPs(selection: string[]): Promise<ProcessInfo[]> {
  const columns = ['-o', 'pid=,ppid=,uid=,stat=,lstart=,command='];
  const { stdout } = await run('ps', [...selection, ...columns], {
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  }).catch(() => ({ stdout: '' }));
  return stdout.split('\n').flatMap(parsePsLine);
}

const PS_LINE = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\w{3}\s+\w{3}\s+\d+\s+[\d:]{8}\s+\d{4})\s+(.*)$/;

/** One line of `ps -o pid=,ppid=,uid=,stat=,lstart=,command=` as zero or one process. */
export function parsePsLine(line: string): ProcessInfo[] {
  const match = PS_LINE.exec(line);
  if (!match || match[4]!.startsWith('Z')) return [];
  const [, pid, parent, uid, , startTime, command] = match;
  return [{ pid: Number(pid), parent: Number(parent), uid: Number(uid), startTime: startTime!, command: command! }];
}
