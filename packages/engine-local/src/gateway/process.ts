import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OsUser } from '@borealis/postgres';
import { isSystemError } from '../system/files.js';
import { findProcesses, identify, type ProcessIdentity } from '../system/process-identity.js';
import { terminate, waitForExit } from '../system/termination.js';
import type { GatewayAddress } from './address.js';
import { LISTENING_FD } from './config-file.js';
import { requestStatus, sendCommand } from './control-client.js';
import type { GatewayProgram } from './program.js';

/** How to run the gateway of one cluster. */
export interface GatewayLaunch {
  program: GatewayProgram;
  /** Its directory, also what it is recognised by among all processes. */
  directory: string;
  address: GatewayAddress;
  logFile: string;
  /** Null: the keeper's own user. */
  os: OsUser | null;
  /** Called when it ends, while this keeper is its parent. */
  onExit: () => void;
}

const BACKLOG = 511;
const LOG_LIMIT_BYTES = 5 * 1024 * 1024;
const START_SECONDS = 30;

/** All living gateways of that directory, whoever started them; `os` null means the keeper's own user. */
export function findGateways(directory: string, os: OsUser | null): Promise<ProcessIdentity[]> {
  return findProcesses(os?.uid ?? process.getuid?.() ?? null, directory);
}

/**
 * Starts the gateway and resolves when it answers on its control socket. The keeper binds the address, so that the gateway
 * needs no right to, and so that there is never a second one: whoever has the address is the only one. Later ones get it from
 * the one before (`hand-over`).
 */
export async function startGateway(launch: GatewayLaunch): Promise<ProcessIdentity> {
  const log = await openLog(launch.logFile);
  try {
    const child = await spawnListening(launch, log);
    child.once('exit', launch.onExit);
    child.unref();
    return await waitUntilAnswering(launch, child);
  } finally {
    await log.close();
  }
}

/** Ends tunnels cleanly and stops the process; insists when it does not. Resolves when it is gone. */
export async function stopGateway(directory: string, identity: ProcessIdentity): Promise<void> {
  await sendCommand(directory, { op: 'stop' }, 5, identity.pid).catch(() => undefined);
  if (!(await waitForExit(identity, 5))) await terminate(identity, 2);
}

async function openLog(path: string): Promise<FileHandle> {
  const flags = constants.O_CREAT | constants.O_APPEND | constants.O_WRONLY;
  const log = await open(path, flags, 0o600);
  if ((await log.stat()).size < LOG_LIMIT_BYTES) return log;
  await log.close();
  await rename(path, `${path}.1`);
  return open(path, flags, 0o600);
}

function spawnListening(launch: GatewayLaunch, log: FileHandle): Promise<ChildProcess> {
  const { bind, port } = launch.address;
  return new Promise((resolve, reject) => {
    // Nothing is accepted here: the child is started before the event loop gets to look at the new socket.
    const server = createServer();
    server.once('error', (error) => reject(addressFailure(launch.address, error)));
    server.listen({ host: bind, port, backlog: BACKLOG, exclusive: true }, () => {
      try {
        const child = spawnWith(launch, log, server);
        child.once('error', reject);
        child.once('spawn', () => resolve(child));
      } catch (error) {
        reject(error);
      } finally {
        server.close();
      }
    });
  });
}

function addressFailure({ bind, port }: GatewayAddress, cause: Error): Error {
  const taken = isSystemError(cause, 'EADDRINUSE');
  const what = taken ? 'is taken by another process' : `cannot be listened on (${cause.message})`;
  // Never another one: this address stands in config vars and in other companies' forms.
  return new Error(`The gateway's address ${bind} port ${port} ${what}.`, { cause });
}

function spawnWith(launch: GatewayLaunch, log: FileHandle, server: Server): ChildProcess {
  const { program, directory, os } = launch;
  const stdio: (number | 'ignore')[] = ['ignore', log.fd, log.fd];
  stdio[LISTENING_FD] = descriptorOf(server);
  return spawn(program.node, [program.script, directory], {
    cwd: '/',
    detached: true,
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', NODE_ENV: 'production' },
    stdio,
    ...(os ? { uid: os.uid, gid: os.gid } : {}),
  });
}

/** Node has no public way to ask for a server's descriptor. */
function descriptorOf(server: Server): number {
  const { _handle: handle } = server as unknown as { _handle?: { fd?: number } };
  if (typeof handle?.fd !== 'number' || handle.fd < 0) throw new Error('BUG: the listening socket has no descriptor');
  return handle.fd;
}

async function waitUntilAnswering(launch: GatewayLaunch, child: ChildProcess): Promise<ProcessIdentity> {
  const identity = await identify(child.pid!);
  const end = Date.now() + START_SECONDS * 1000;
  while (identity && child.exitCode === null && child.signalCode === null) {
    const status = await requestStatus(launch.directory, 2, identity.pid).catch(() => null);
    if (status) return identity;
    if (Date.now() > end) break;
    await sleep(25);
  }
  if (identity) await terminate(identity, 0);
  throw new Error(`The gateway does not start; its log ${launch.logFile} says why.`);
}
