import { type ChildProcess, spawn } from 'node:child_process';

/** The second argument of a gateway that takes over from the one that starts it. */
export const SUCCESSOR = 'successor';
/** Where a successor finds the listening socket, whatever its configuration says. */
export const INHERITED_FD = 3;
const READY = 'ready';
const START_MS = 30_000;

/** What is to take over. */
export interface Program {
  node: string;
  script: string;
}

/**
 * Starts a gateway on the listening socket `fd`, which both have from then on; resolves with its pid once it accepts connections.
 * One that ends first or takes too long is killed, and this rejects with an Error of one sentence.
 */
export function startSuccessor({ node, script }: Program, directory: string, fd: number): Promise<number> {
  const child = spawn(node, [script, directory, SUCCESSOR], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', fd, 'ipc'],
  });
  return untilReady(child).finally(() => {
    if (child.connected) child.disconnect();
    child.unref();
  });
}

function untilReady(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: Error) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new Error(`The new gateway ${why}; this one goes on.`, { cause }));
    };
    const timer = setTimeout(() => fail('does not start in time'), START_MS);
    child.once('error', (error) => fail('cannot be started', error));
    child.once('exit', () => fail('ends at its start, and the log says why'));
    child.on('message', (message) => {
      if (message !== READY) return;
      clearTimeout(timer);
      child.removeAllListeners('exit');
      resolve(child.pid!);
    });
  });
}

/** Tells the gateway that started this one that it may stop accepting connections; one that is gone need not know. */
export function tellPredecessor(): void {
  process.send?.(READY, undefined, undefined, () => {
    if (process.connected) process.disconnect();
  });
}
