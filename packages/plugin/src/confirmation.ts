import { createInterface } from 'node:readline';
import { CLIError } from '@oclif/core/errors';
import { QuietExit } from './quiet-exit.js';
import { signalExitCode } from './signals.js';

/**
 * Returns only when `name` was repeated: by `given`, or by the person at the terminal who is asked. Where nobody can
 * be asked it throws at once, so that a script never waits for an answer.
 */
export async function confirmRemoval(thing: string, name: string, given: string | undefined): Promise<void> {
  const answer = given ?? (await ask(`Enter the name of the ${thing} (${name}) to confirm its removal: `));
  if (answer === undefined)
    throw new CLIError(`Nobody is here to confirm the removal of the ${thing}. Confirm it with --confirm ${name}`);
  if (answer.trim() !== name)
    throw new CLIError(`Invalid confirmation: "${answer.trim()}" is not the name of the ${thing}, which is ${name}`);
}

/** The line typed in; undefined when there is no terminal or its input has ended. Ctrl+C ends the command. */
function ask(question: string): Promise<string | undefined> {
  if (!process.stdin.isTTY) return Promise.resolve(undefined);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise<string | undefined>((resolve, reject) => {
    lines.once('close', () => resolve(undefined));
    lines.once('SIGINT', () => reject(new QuietExit(signalExitCode('SIGINT'))));
    lines.question(question, resolve);
  }).finally(() => lines.close());
}
