import { fileURLToPath } from 'node:url';
import { format } from 'node:util';
import { Config } from '@oclif/core/config';
import { ux } from '@oclif/core/ux';
import { vi } from 'vitest';
import type { Finished } from './cli.js';

interface CommandClass {
  run(argv: string[], config: Config): Promise<unknown>;
}

const config = Config.load(fileURLToPath(new URL('../..', import.meta.url))) as Promise<Config>;

/** Runs a command in this process, which starts in no time; its code is what it would exit with. */
export async function runHere(
  apiUrl: string,
  command: unknown,
  args: string[],
  env: Record<string, string> = {},
): Promise<Finished> {
  const output = { stdout: '', stderr: '' };
  const restore = capture(output);
  const settings = { HEROKU_HOST: apiUrl, HEROKU_API_KEY: 'long-lived-key', BOREALIS_PG_API_BASE_URL: apiUrl, ...env };
  for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value);
  vi.stubEnv('HEROKU_APP', undefined);
  try {
    await (command as CommandClass).run(args, await config);
    return { code: 0, ...output };
  } catch (error) {
    const { message, oclif } = error as Error & { oclif?: { exit?: number } };
    return { code: oclif?.exit ?? 1, stdout: output.stdout, stderr: `${output.stderr}${message}` };
  } finally {
    restore();
    vi.unstubAllEnvs();
  }
}

function capture(output: { stdout: string; stderr: string }): () => void {
  const write = (stream: keyof typeof output) => (text: unknown) => {
    output[stream] += String(text);
    return true;
  };
  const print =
    (stream: keyof typeof output) =>
    (text = '', ...rest: unknown[]) => {
      output[stream] += `${format(text, ...rest)}\n`;
    };
  const spies = [
    // The spinner writes around everything else.
    vi.spyOn(ux.action, 'start').mockImplementation(() => {}),
    vi.spyOn(ux.action, 'stop').mockImplementation(() => {}),
    vi.spyOn(process.stdout, 'write').mockImplementation(write('stdout')),
    vi.spyOn(process.stderr, 'write').mockImplementation(write('stderr')),
    vi.spyOn(console, 'log').mockImplementation(print('stdout')),
    vi.spyOn(console, 'error').mockImplementation(print('stderr')),
  ];
  return () => {
    for (const spy of spies) spy.mockRestore();
  };
}
