import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { orphansOf } from './cluster-processes.js';
import { withConnection } from './connection.js';
import { findServer, isServerAlive, readPidFile, type ServerIdentity } from './identity.js';
import { lastLines, openLog, trimLog } from './log-file.js';
import { asServerUser, checkSpec, type ServerSpec } from './spec.js';
import { endUnborn, killProcesses } from './stop.js';

export interface StartOptions {
  /** How long to wait for connections to be accepted, recovery after a crash included; default 600. */
  seconds?: number;
  /** How long a program may run before it writes its pid file, which the server does at once; as long as the start when not given. */
  silentSeconds?: number;
}

/** The server still starts or recovers, and is left to it; a program that never wrote its pid file was ended. */
export class StartTimeout extends Error {}

/**
 * Makes sure that the server runs and accepts connections, and outlives this process; adopts one that runs. Throws with the
 * last lines of its log when it ends instead, or when the time is over (it is left running then, if it has written its pid file).
 */
export async function startServer(spec: ServerSpec, options: StartOptions = {}): Promise<ServerIdentity> {
  checkSpec(spec);
  const deadline = Date.now() + (options.seconds ?? 600) * 1000;
  await trimLog(spec.logFile);
  const logStart = await logSize(spec);
  let child: ChildProcess | null = null;
  let speaksUntil = deadline;
  for (;;) {
    const identity = await readyServer(spec);
    if (identity) return identity;
    const running = await findServer(spec);
    if (child && hasEnded(child)) {
      // Two starters may race: PostgreSQL's own lock lets one server live, and both adopt that one.
      if (!running) throw new Error(await failure(spec, logStart, 'ended instead of accepting connections'));
      child = null;
    }
    // One that was found may be about to end, and is only replaced when it has.
    if (!child && !running) {
      child = await launch(spec);
      speaksUntil = Math.min(deadline, Date.now() + (options.silentSeconds ?? Number.POSITIVE_INFINITY) * 1000);
    }
    if (!running && Date.now() > speaksUntil) {
      await endUnborn(spec);
      throw new StartTimeout(await failure(spec, logStart, 'hung before it wrote its pid file, and was ended'));
    }
    if (Date.now() > deadline) throw new StartTimeout(await failure(spec, logStart, 'does not accept connections yet'));
    await sleep(20);
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** The server once it accepts connections; null as long as it does not. */
async function readyServer(spec: ServerSpec): Promise<ServerIdentity | null> {
  const status = (await readPidFile(spec.dataDirectory))?.status;
  if (status !== 'ready' && status !== 'standby') return null;
  const identity = await findServer(spec);
  if (!identity) return null;
  try {
    await withConnection(spec, 'postgres', (client) => client.query('select 1'));
  } catch (error) {
    // 57P03: it starts, stops or recovers. A socket that is not there yet says so without a SQLSTATE.
    const { code } = error as { code?: string };
    if (code === '57P03' || code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ECONNRESET') return null;
    throw error;
  }
  return (await isServerAlive(identity)) ? identity : null;
}

async function launch(spec: ServerSpec): Promise<ChildProcess> {
  // Backends that outlived a killed postmaster hold its shared memory, and PostgreSQL rightly refuses to start beside them.
  await killProcesses(await orphansOf(spec.dataDirectory));
  const log = await openLog(spec.logFile, spec.os);
  try {
    const [program, ...args] = commandOf(spec);
    const child = spawn(program, args, {
      ...asServerUser(spec.os),
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    return child;
  } catch (error) {
    const who = spec.os ? `the user "${spec.os.name}"` : 'this user';
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`PostgreSQL could not be run as ${who}: ${code} on "${spec.release.binary('postgres')}".`, {
      cause: error,
    });
  } finally {
    await log.close();
  }
}

function commandOf(spec: ServerSpec): [string, ...string[]] {
  // On the command line nothing in a file or in ALTER SYSTEM can bring a TCP port back.
  const server: [string, ...string[]] = [
    spec.release.binary('postgres'),
    ...['-D', spec.dataDirectory, '-c', 'listen_addresses='],
  ];
  if (spec.privateMemoryMiB === undefined || process.platform !== 'linux') return server;
  // The limit on data, not the one on all addresses: that one counts the stack too, and a stack that cannot grow is a crash.
  return ['/bin/sh', '-c', 'ulimit -d "$0" && exec "$@"', String(spec.privateMemoryMiB * 1024), ...server];
}

async function logSize(spec: ServerSpec): Promise<number> {
  const log = await openLog(spec.logFile, spec.os);
  try {
    return (await log.stat()).size;
  } finally {
    await log.close();
  }
}

async function failure(spec: ServerSpec, logStart: number, what: string): Promise<string> {
  const lines = await lastLines(spec.logFile, 16, logStart);
  return `PostgreSQL in "${spec.dataDirectory}" ${what}: ${lines || 'it wrote no log'}`;
}
