import { type ChildProcess, spawn } from 'node:child_process';

/** The second argument of a gateway that takes over from the one that starts it. */
export const SUCCESSOR = 'successor';
/** Where a successor finds the listening socket, whatever its configuration says. */
export const INHERITED_FD = 3;
const START_MS = 30_000;

/** A successor tells the revision that it runs by each time it is told to read its configuration again. */
interface Ready {
  revision: number;
}
const RELOAD = 'reload';

/** What is to take over. */
export interface Program {
  node: string;
  script: string;
}

/**
 * Starts a gateway on the listening socket `fd`, which both have from then on; resolves with its pid once it accepts connections
 * and runs by `revision()` or a later one, in the same turn as it was seen to. One that ends first or takes too long is killed,
 * and this rejects with an Error of one sentence.
 */
export function startSuccessor(
  { node, script }: Program,
  directory: string,
  fd: number,
  revision: () => number,
): Promise<number> {
  const child = spawn(node, [script, directory, SUCCESSOR], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', fd, 'ipc'],
  });
  return untilReady(child, revision).finally(() => {
    if (child.connected) child.disconnect();
    child.unref();
  });
}

function untilReady(child: ChildProcess, revision: () => number): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: Error) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new Error(`The new gateway ${why}; this one goes on.`, { cause }));
    };
    const timer = setTimeout(() => fail('does not start in time'), START_MS);
    child.on('error', (error) => fail('cannot be started', error));
    child.once('exit', () => fail('ends at its start, and the log says why'));
    child.on('message', (message: Ready) => {
      // It may have read the file just before a user was removed from it.
      if (message.revision < revision()) return void child.send(RELOAD);
      clearTimeout(timer);
      child.removeAllListeners().on('error', () => {}); // from here on it is nobody's child
      return resolve(child.pid!);
    });
  });
}

/**
 * Tells the gateway that started this one by which revision connections are accepted here, and reads the configuration again when
 * it asks for that. One that is gone need not know.
 */
export function tellPredecessor(revision: number, reload: () => Promise<number>): void {
  const tell = (current: number) =>
    process.send?.({ revision: current } satisfies Ready, undefined, undefined, () => {});
  process.on('message', (message) => {
    if (message === RELOAD) reload().then(tell, () => process.exit(1));
  });
  tell(revision);
}
