import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { withoutStoreAccess } from '@borealis/postgres';

const run = promisify(execFile);

/** A process for certain: a pid alone is reused, with start time and boot id it is not. */
export interface ProcessIdentity {
  pid: number;
  /** Linux: ticks since boot; macOS: the start date as `ps` prints it. */
  startTime: string;
  bootId: string;
}

/** The identity of the living process with that pid; null when there is none or it is a zombie. */
export async function identify(pid: number): Promise<ProcessIdentity | null> {
  const startTime = process.platform === 'linux' ? linuxStartTime(pid) : await psStartTime(pid);
  return startTime === null ? null : { pid, startTime, bootId: await bootId() };
}

/** True while exactly this process lives; a successor with the same pid does not count. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const now = await identify(identity.pid);
  return now !== null && now.startTime === identity.startTime && now.bootId === identity.bootId;
}

function linuxStartTime(pid: number): string | null {
  const stat = readOrNull(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The command's name may hold spaces and parentheses: fields are counted after the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  return state === 'Z' || state === 'X' || !startTime ? null : startTime;
}

async function psStartTime(pid: number): Promise<string | null> {
  try {
    const { stdout } = await run('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      env: { ...withoutStoreAccess(), LC_ALL: 'C' },
    });
    const line = stdout.trim();
    return line === '' || line.startsWith('Z') ? null : line.replace(/^\S+\s+/, '');
  } catch {
    return null;
  }
}

let knownBootId: string | undefined;

async function bootId(): Promise<string> {
  knownBootId ??= (
    process.platform === 'linux'
      ? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')
      : (await run('sysctl', ['-n', 'kern.bootsessionuuid'], { env: withoutStoreAccess() })).stdout
  ).trim();
  return knownBootId;
}

/** Living processes of that user (null: of anybody) with that very argument (null: with any). */
export async function findProcesses(uid: number | null, argument: string | null): Promise<ProcessIdentity[]> {
  const pids = process.platform === 'linux' ? linuxProcesses(uid, argument) : await psProcesses(uid, argument);
  const found = await Promise.all(pids.map(identify));
  return found.filter((identity) => identity !== null);
}

function linuxProcesses(uid: number | null, argument: string | null): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => uid === null || ownerOf(pid) === uid)
    .filter((pid) => argument === null || readOrNull(`/proc/${pid}/cmdline`)?.split('\0').includes(argument))
    .map(Number);
}

function ownerOf(pid: string): number | null {
  try {
    return statSync(`/proc/${pid}`).uid;
  } catch {
    return null;
  }
}

async function psProcesses(uid: number | null, argument: string | null): Promise<number[]> {
  const { stdout } = await run('ps', ['-axwwo', 'pid=,uid=,command='], {
    env: withoutStoreAccess(),
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line);
    if (!match || (uid !== null && Number(match[2]) !== uid)) return [];
    return argument === null || ` ${match[3]} `.includes(` ${argument} `) ? [Number(match[1])] : [];
  });
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
