import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { herokuCli } from '@borealis/platform/testing';
import type { Installation } from './installation.js';

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Cli {
  run(...args: string[]): Promise<CliResult>;
  /** The same for a command that only asks and prints; see `HerokuCli.ask`. */
  ask(...args: string[]): Promise<CliResult>;
  /** For a command that stays. */
  start(...args: string[]): Promise<ChildProcessWithoutNullStreams>;
  remove(): void;
}

/** The real `heroku` CLI with our plugin linked, pointed at an installation as its env file says. */
export async function cliFor(installation: Installation): Promise<Cli> {
  const cli = await herokuCli({ ...installation.environment, BOREALIS_TUNNEL_HOST: '' });
  const directory = mkdtempSync(join(tmpdir(), 'cwd-'));
  const linked = await cli.run(
    ['plugins:link', resolve(import.meta.dirname, '../../packages/plugin'), '--no-install'],
    { cwd: directory },
  );
  if (linked.code !== 0) throw new Error(`plugins:link failed: ${linked.stderr}`);
  return {
    run: (...args) => cli.run(args, { cwd: directory }),
    start: (...args) => cli.start(args, { cwd: directory }),
    ask: (...args) => cli.ask(args, { cwd: directory }),
    remove: () => {
      cli.remove();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
