import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { loopDevicesOf } from './mounts.js';
import { clearFile, imageOf, isEncrypted, type Pool } from './pool.js';
import { PoolError } from './pool-error.js';
import { findDaemons } from './storage-daemon.js';
import { runTool, ToolError } from './tool.js';

const SEEN_SECONDS = 60;

/** Makes the mounted file system as large as its record says, with everything below it; what has the size already is left alone. */
export async function growTo(pool: Pool): Promise<void> {
  const clear = clearFile(pool);
  const { size } = await stat(clear);
  if (size < pool.sizeBytes) {
    await takeRoom(pool, size);
    if (isEncrypted(pool)) await resizeThroughDaemon(pool);
    await untilSeen(clear, pool.sizeBytes);
  }
  for (const device of await loopDevicesOf(clear)) await runTool('losetup', ['--set-capacity', device]);
  await runTool('xfs_growfs', [pool.home]);
}

/** The kernel remembers sizes behind FUSE for a second; a loop device would take the old one. */
async function untilSeen(file: string, bytes: number): Promise<void> {
  const end = Date.now() + SEEN_SECONDS * 1000;
  while ((await stat(file)).size < bytes) {
    if (Date.now() > end) throw new PoolError(`${file} does not get the size that it was given.`);
    await sleep(100);
  }
}

/** Takes the room from the disk first: a pool that was promised more than there is would break when it fills. */
async function takeRoom(pool: Pool, clearSize: number): Promise<void> {
  const image = imageOf(pool);
  const header = (await stat(image)).size - clearSize;
  const keepSize = isEncrypted(pool) ? ['--keep-size'] : [];
  await runTool('fallocate', [...keepSize, '--length', String(pool.sizeBytes + Math.max(header, 0)), image]).catch(
    (error: unknown) => {
      if (error instanceof ToolError && /No space left/.test(error.stderr))
        throw new PoolError(`The disk under ${pool.place} has no room for a pool of that size.`);
      throw error;
    },
  );
}

/** The daemon has the image: it alone can make it longer. */
async function resizeThroughDaemon(pool: Pool): Promise<void> {
  const [daemon] = await findDaemons(pool);
  if (!daemon) throw new PoolError('The storage daemon of the pool does not run.');
  const socket = connect(`/proc/${daemon.pid}/cwd/control`);
  try {
    await once(socket, 'connect');
    const answers = createInterface({ input: socket })[Symbol.asyncIterator]();
    // The first line is its greeting.
    await answers.next();
    await ask(socket, answers, { execute: 'qmp_capabilities' });
    await ask(socket, answers, {
      execute: 'block_resize',
      arguments: { 'node-name': 'clear', size: pool.sizeBytes },
    });
  } finally {
    socket.destroy();
  }
}

async function ask(socket: Socket, answers: AsyncIterator<string>, command: object): Promise<void> {
  socket.write(`${JSON.stringify(command)}\n`);
  for (;;) {
    const { value, done } = await answers.next();
    if (done) throw new PoolError('The storage daemon hung up.');
    const answer = JSON.parse(value) as { return?: object; error?: { desc: string } };
    if (answer.error) throw new PoolError(`The storage daemon refused: ${answer.error.desc}.`);
    if (answer.return) return;
  }
}
