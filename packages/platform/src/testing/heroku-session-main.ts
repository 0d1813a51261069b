import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What the parent asks for: one command. */
export interface SessionCommand {
  args: readonly string[];
  cwd: string;
}

/** How it ended. */
export interface SessionResult {
  code: number;
  stdout: string;
  stderr: string;
}

interface Oclif {
  execute(options: { dir: string; args: string[] }): Promise<unknown>;
}

const [, , script = ''] = process.argv;
// Before the CLI is loaded: its spinner keeps the function that it finds then.
let output = { stdout: '', stderr: '' };
for (const stream of ['stdout', 'stderr'] as const) {
  process[stream].write = (text: unknown, ...rest: unknown[]) => {
    output[stream] += typeof text === 'string' ? text : Buffer.from(text as Uint8Array).toString('utf8');
    const done = rest.at(-1);
    if (typeof done === 'function') queueMicrotask(() => done());
    return true;
  };
}

/** The command's first word counts; what follows it in the same command would not be reached in a process of its own. */
let code: number | undefined;
process.exit = ((asked?: number) => {
  code ??= asked ?? 0;
}) as typeof process.exit;

const oclif = (await import(pathToFileURL(join(script, '../../../@oclif/core/lib/index.js')).href)) as unknown as Oclif;

process.on('message', async ({ args, cwd }: SessionCommand) => {
  output = { stdout: '', stderr: '' };
  code = undefined;
  process.exitCode = undefined;
  process.chdir(cwd);
  process.argv = [process.execPath, script, ...args];
  await oclif.execute({ dir: pathToFileURL(script).href, args: [...args] });
  const result: SessionResult = { code: code ?? Number(process.exitCode ?? 0), ...output };
  process.exitCode = undefined;
  process.send!(result);
});
