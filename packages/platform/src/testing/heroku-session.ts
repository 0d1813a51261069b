import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SessionCommand, SessionResult } from './heroku-session-main.js';

/** Runs commands of the CLI one after the other in one process. */
export interface HerokuSession {
  run(command: SessionCommand): Promise<SessionResult>;
  end(): void;
}

/** Starts the CLI's code once, which takes it two seconds of computing; after that a command takes what its requests take. */
export function openHerokuSession(script: string, env: Record<string, string>): HerokuSession {
  const child = fork(fileURLToPath(new URL('heroku-session-main.js', import.meta.url)), [script], {
    env,
    execArgv: ['--no-deprecation'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  child.unref();
  child.channel?.unref();
  let last: Promise<unknown> = Promise.resolve();
  return {
    run(command) {
      const result = last.then(() => ask(child, command));
      last = result.catch(() => {});
      return result;
    },
    end: () => void child.kill('SIGKILL'),
  };
}

function ask(child: ChildProcess, command: SessionCommand): Promise<SessionResult> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error(`the CLI ended in the middle of heroku ${command.args.join(' ')}`));
    if (child.exitCode !== null || child.signalCode !== null) return ended();
    child.channel?.ref();
    child.once('exit', ended);
    child.once('message', (result: SessionResult) => {
      child.off('exit', ended);
      child.channel?.unref();
      resolve(result);
    });
    child.send(command);
  });
}
