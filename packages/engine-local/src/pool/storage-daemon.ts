import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Secret } from '@borealis/contract';
import { findProcesses, identify, isAlive, type ProcessIdentity } from '../system/process-identity.js';
import { signal, waitForExit } from '../system/termination.js';
import { DERIVATION_MS, withKeyDescriptor } from './key.js';
import { clearFile, imageOf, type Pool, poolPaths } from './pool.js';
import { PoolError } from './pool-error.js';
import { runTool, TOOL_ENVIRONMENT, ToolError } from './tool.js';

/** Deriving the key from what is kept takes seconds, and many on a busy machine. */
const START_SECONDS = 120;
const STOP_SECONDS = 120;

/** The key as QEMU's programs take it: from their descriptor 3. */
const SECRET = { 'qom-type': 'secret', id: 'key', file: '/proc/self/fd/3', format: 'raw' };

const MEASUREMENTS = 20;

/** Makes the encrypted image, AES-256-XTS, with all of its room taken from the disk. */
export async function formatImage(pool: Pool, key: Secret<Buffer>, kind: 'random' | 'chosen'): Promise<void> {
  const options = [
    'key-secret=key,cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64,hash-alg=sha256,preallocation=falloc',
    `iter-time=${DERIVATION_MS[kind]}`,
  ].join(',');
  const image = imageOf(pool);
  const args = ['create', '-q', '--object', JSON.stringify(SECRET), '-f', 'luks', '-o', options, image];
  await unlessMismeasured(() =>
    withKeyDescriptor(key, (descriptor) =>
      runTool('qemu-img', [...args, String(pool.sizeBytes)], { descriptors: [descriptor] }),
    ),
  );
  await chmod(image, 0o600);
}

/** QEMU measures how fast the machine derives keys, and gives up when the kernel's clock of a busy one does not let it. */
export async function unlessMismeasured(make: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await make();
      return;
    } catch (error) {
      const isTransient = error instanceof ToolError && /accurate CPU usage/.test(error.stderr);
      if (!isTransient || tries === MEASUREMENTS) throw error;
    }
  }
}

/** The argument that tells this pool's daemon from every other process. */
function exportArgument(pool: Pool): string {
  return JSON.stringify({
    type: 'fuse',
    id: 'clear',
    'node-name': 'clear',
    mountpoint: clearFile(pool),
    writable: true,
  });
}

/** Living daemons of the pool: one, or none. QEMU's own lock on the image keeps a second one away. */
export function findDaemons(pool: Pool): Promise<ProcessIdentity[]> {
  return findProcesses(0, exportArgument(pool));
}

/** Starts the daemon; resolves when the image can be read in clear. It outlives this process, and memory shortage ends others first. */
export async function startDaemon(pool: Pool, key: Secret<Buffer>): Promise<void> {
  await writeFile(clearFile(pool), '', { mode: 0o600, flag: 'a' });
  const { directory, daemonLog } = poolPaths(pool.home);
  await rm(daemonLog, { force: true });
  const log = openSync(daemonLog, 'a', 0o600);
  const file = {
    driver: 'file',
    'node-name': 'image',
    filename: imageOf(pool),
    cache: { direct: true },
    aio: 'threads',
  };
  const luks = { driver: 'luks', 'node-name': 'clear', file: 'image', 'key-secret': 'key' };
  const args = [
    ...['--object', JSON.stringify(SECRET)],
    ...['--blockdev', JSON.stringify(file), '--blockdev', JSON.stringify(luks)],
    ...['--export', exportArgument(pool)],
    // A short name in its working directory: the length of socket paths is bounded.
    ...['--chardev', 'socket,id=control,path=control,server=on,wait=off', '--monitor', 'chardev=control'],
  ];
  try {
    await withKeyDescriptor(key, async (descriptor) => {
      const child = spawn('qemu-storage-daemon', args, {
        cwd: directory,
        env: TOOL_ENVIRONMENT,
        detached: true,
        stdio: ['ignore', log, log, descriptor],
      });
      child.unref();
      await once(child, 'spawn').catch((error: Error) => {
        throw new PoolError(`qemu-storage-daemon could not be started: ${error.message}.`);
      });
      await untilExported(pool, child.pid!);
    });
  } finally {
    closeSync(log);
  }
}

async function untilExported(pool: Pool, pid: number): Promise<void> {
  const identity = await identify(pid);
  if (identity) await writeFile(`/proc/${pid}/oom_score_adj`, '-1000').catch(() => undefined);
  const end = Date.now() + START_SECONDS * 1000;
  while (identity && (await isAlive(identity))) {
    if (((await stat(clearFile(pool)).catch(() => null))?.size ?? 0) > 0) return;
    if (Date.now() > end) throw new PoolError(`The storage daemon did not open ${imageOf(pool)} in time.`);
    await sleep(50);
  }
  throw new PoolError(whyItEnded(pool, await readFile(poolPaths(pool.home).daemonLog, 'utf8')));
}

function whyItEnded(pool: Pool, said: string): string {
  const image = imageOf(pool);
  if (said.includes('Invalid password'))
    return `The key does not open ${image}: it is not the one that the pool was made with.`;
  return `The storage daemon could not open ${image}: ${said.trim().split('\n').at(-1) || 'it said nothing'}.`;
}

/** Ends the daemon in order, which writes out all that it holds; never while its file system is mounted, and never by SIGKILL. */
export async function stopDaemons(pool: Pool): Promise<void> {
  for (const daemon of await findDaemons(pool)) {
    await signal(daemon, 'SIGTERM');
    if (!(await waitForExit(daemon, STOP_SECONDS)))
      throw new PoolError(
        `The storage daemon (process ${daemon.pid}) does not end; it is not killed, to keep the data.`,
      );
  }
}
