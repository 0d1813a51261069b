import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Pool } from './pool.js';
import { PoolError } from './pool-error.js';
import { findDaemons } from './storage-daemon.js';

/** The daemon has the image: it alone can make it longer. */
export async function resizeThroughDaemon(pool: Pool): Promise<void> {
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
