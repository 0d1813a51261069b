import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isPostmasterOf } from './cluster-processes.js';
import { bootId, lookUpProcess } from './processes.js';
import { type ServerSpec, uidOf } from './spec.js';

/** A running server, known by more than a pid: those are used again. */
export interface ServerIdentity {
  pid: number;
  /** As the kernel counts it; only ever compared. */
  startTime: string;
  bootId: string;
  dataDirectory: string;
}

/** The running server of this data directory; null when there is none, whatever an old pid file says. */
export async function findServer(spec: Pick<ServerSpec, 'dataDirectory' | 'os'>): Promise<ServerIdentity | null> {
  const { dataDirectory } = spec;
  const file = await readPidFile(dataDirectory);
  if (!file) return null;
  const found = await lookUpProcess(file.pid);
  // The file belongs to PostgreSQL's user, who could name any process in it: only one of his own is believed.
  if (!found || found.uid !== uidOf(spec) || !isPostmasterOf(dataDirectory, found.command)) return null;
  return { pid: found.pid, startTime: found.startTime, bootId: await bootId(), dataDirectory };
}

/** True while that very server runs; false for another process with the same pid, or after a restart of the machine. */
export async function isServerAlive(identity: ServerIdentity): Promise<boolean> {
  const found = await lookUpProcess(identity.pid);
  return found?.startTime === identity.startTime && (await bootId()) === identity.bootId;
}

export interface PidFile {
  pid: number;
  /** `starting`, `ready`, `standby` or `stopping`; empty in the first moments. */
  status: string;
}

/** What PostgreSQL says of itself in its data directory; null when it says nothing. */
export async function readPidFile(dataDirectory: string): Promise<PidFile | null> {
  try {
    const lines = (await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8')).split('\n');
    const pid = Number(lines[0]);
    return Number.isInteger(pid) && pid > 1 ? { pid, status: (lines[7] ?? '').trim() } : null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}
