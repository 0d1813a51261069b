import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from './failure.js';

export interface SupervisedProcess {
  readonly name: string;
  /** Resolves when it is up for the first time; rejects with a `Failure` when its very first start fails. */
  readonly ready: Promise<void>;
  /** The process at this moment, for tests that kill it. */
  readonly pid: number | undefined;
  /** Asks it to end, also in the midst of a start, and waits; after `seconds` it is killed. It is not started again. */
  stop(seconds: number): Promise<void>;
}

interface Options {
  name: string;
  /** Compiled module of the process; it sends `{ ready: true }` or `{ failed: sentence }` to its parent. */
  module: string;
  env: NodeJS.ProcessEnv;
  /** Called with a sentence whenever the process died and is being started again. */
  onRestart(sentence: string): void;
}

/** Waits for the child's first word. */
function firstWord(child: ChildProcess, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('message', (message: { ready?: true; failed?: string }) => {
      if (message.ready) resolve();
      else reject(new Failure(message.failed ?? `The ${name} process could not start.`));
    });
    child.once('exit', (code, signal) =>
      reject(new Failure(`The ${name} process ended before it was ready (${signal ?? `status ${code}`}).`)),
    );
    child.once('error', reject);
  });
}

/**
 * Starts a process and keeps it running: after a death it is started again within two seconds, for as long as it takes.
 * Only the very first start is not repeated when it fails.
 */
export function supervise(options: Options): SupervisedProcess {
  let stopping = false;
  let child = launch();
  let gone = exited(child);

  function launch(): ChildProcess {
    const launched = fork(options.module, [], {
      env: options.env,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
    });
    launched.on('error', () => {});
    return launched;
  }

  function exited(process: ChildProcess): Promise<string> {
    return new Promise((resolve) => {
      process.once('exit', (code, signal) => resolve(signal ?? `status ${code}`));
      process.once('error', (error) => resolve(error.message));
    });
  }

  async function keepRunning(): Promise<void> {
    for (let failures = 0; ; ) {
      const how = await gone;
      if (stopping) return;
      options.onRestart(`The ${options.name} process ended (${how}); starting it again.`);
      await sleep(Math.min(100 * 2 ** failures, 1_500));
      if (stopping) return;
      child = launch();
      gone = exited(child);
      failures = await firstWord(child, options.name).then(
        () => 0,
        () => failures + 1,
      );
      if (failures > 0 && child.exitCode === null) child.kill('SIGKILL');
    }
  }

  const ready = firstWord(child, options.name);
  const running = ready.then(keepRunning, () => {
    stopping = true;
    child.kill('SIGKILL');
  });
  return {
    name: options.name,
    ready,
    get pid() {
      return child.pid;
    },
    async stop(seconds) {
      stopping = true;
      if (child.connected) child.send({ stop: true }, () => {});
      else child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
      await gone;
      clearTimeout(killer);
      await running;
    },
  };
}
