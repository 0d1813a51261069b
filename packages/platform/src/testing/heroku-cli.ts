import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HerokuSession, openHerokuSession } from './heroku-session.js';
import { installHerokuCli } from './install-heroku-cli.js';

export { HEROKU_CLI_VERSION, installHerokuCli } from './install-heroku-cli.js';

export interface CliResult {
  code: number;
  /** Without escape sequences. */
  stdout: string;
  stderr: string;
}

export interface HerokuCli {
  /** Its own home, where plugins are linked and settings kept. */
  home: string;
  /** Runs one command to its end. Nothing is on standard input, so a prompt ends the command. */
  run(args: readonly string[], options?: { cwd?: string; env?: Record<string, string> }): Promise<CliResult>;
  /**
   * The same for a command that only asks and prints, in a process that takes all of these: no two seconds for each to start.
   * In the full suite this is `run`.
   */
  ask(args: readonly string[], options?: { cwd?: string }): Promise<CliResult>;
  /** Starts a command that stays, as `logs --tail` does; the caller ends it. */
  start(args: readonly string[], options?: { cwd?: string }): Promise<ChildProcessWithoutNullStreams>;
  /** Removes the home; done at the end of the process at the latest. */
  remove(): void;
}

/** What makes the CLI speak to a platform with a user's token, and to nobody else. */
export function herokuEnv(platformUrl: string, token: string): Record<string, string> {
  return {
    HEROKU_HOST: platformUrl,
    HEROKU_API_KEY: token,
    HEROKU_PARTICLEBOARD_URL: platformUrl,
    HEROKU_BUILDPACK_REGISTRY_URL: platformUrl,
  };
}

function environment(home: string, env: Record<string, string>): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    LANG: 'C.UTF-8',
    HOME: home,
    XDG_CACHE_HOME: join(home, 'cache'),
    XDG_DATA_HOME: join(home, 'data'),
    XDG_CONFIG_HOME: join(home, 'config'),
    TMPDIR: join(home, 'tmp'),
    DISABLE_TELEMETRY: 'true',
    HEROKU_SKIP_ANALYTICS: '1',
    HEROKU_SKIP_NEW_VERSION_CHECK: 'true',
    HEROKU_DISABLE_AUTOUPDATE: '1',
    NO_COLOR: '1',
    FORCE_COLOR: '0',
    TERM: 'dumb',
    ...env,
  };
}

const homes = new Set<string>();
process.once('exit', () => homes.forEach(removeHome));

function removeHome(home: string): void {
  homes.delete(home);
  rmSync(home, { recursive: true, force: true, maxRetries: 3 });
}

function plain(text: string): string {
  // biome-ignore lint/complexity/useRegexLiterals: the escape character is easier to see so
  return text.replaceAll(new RegExp('\u001b\\[[0-9;?]*[A-Za-z]', 'g'), '');
}

function collect(child: ChildProcessWithoutNullStreams): Promise<CliResult> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.end();
  const text = (chunks: readonly Buffer[]) => plain(Buffer.concat(chunks).toString('utf8'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 128, stdout: text(stdout), stderr: text(stderr) }));
  });
}

/**
 * The real `heroku` CLI in the pinned version, with a home of its own. `env` is what `herokuEnv` gives, and more where a
 * plugin needs it. The first run installs the CLI, which takes about a minute.
 */
export function herokuCli(env: Record<string, string>): HerokuCli {
  const home = mkdtempSync(join(tmpdir(), 'hcli-'));
  // Outside any git repository: a remote there would supply an app's name.
  const empty = join(home, 'cwd');
  for (const directory of ['cwd', 'tmp']) mkdirSync(join(home, directory));
  homes.add(home);
  const start: HerokuCli['start'] = async (args, { cwd = empty } = {}) =>
    spawn(process.execPath, ['--no-deprecation', await installHerokuCli(), ...args], {
      cwd,
      env: environment(home, env),
    });
  const run: HerokuCli['run'] = async (args, { cwd = empty, env: more = {} } = {}) => {
    const options = { cwd, env: environment(home, { ...env, ...more }) };
    return collect(spawn(process.execPath, ['--no-deprecation', await installHerokuCli(), ...args], options));
  };
  let session: HerokuSession | undefined;
  const ask: HerokuCli['ask'] = async (args, { cwd = empty } = {}) => {
    if (process.env.BOREALIS_TEST === 'full') return run(args, { cwd });
    const script = await installHerokuCli();
    session ??= openHerokuSession(script, environment(home, env));
    const { code, stdout, stderr } = await session.run({ args, cwd });
    return { code, stdout: plain(stdout), stderr: plain(stderr) };
  };
  const remove = () => {
    session?.end();
    removeHome(home);
  };
  return { home, remove, start, run, ask };
}
