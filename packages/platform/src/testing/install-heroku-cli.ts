import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const HEROKU_CLI_VERSION = '11.10.0';

const BIN = join('node_modules', 'heroku', 'bin', 'run.js');

function cacheDirectory(): string {
  if (process.env.BOREALIS_CACHE) return process.env.BOREALIS_CACHE;
  if (process.getuid?.() === 0) return '/var/cache/borealis';
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'borealis');
}

/** Without what an enclosing `npm test` says of its own package, which would lead this npm there. */
function npmEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^npm_(package|lifecycle|command|config_(prefix|local_prefix|workspace|include_workspace))/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}

function npmInstall(directory: string): Promise<void> {
  const wanted = `heroku@${HEROKU_CLI_VERSION}`;
  const args = ['install', '--prefix', directory, wanted, '--ignore-scripts', '--no-audit', '--no-fund'];
  return new Promise((resolve, reject) => {
    const npm = spawn('npm', args, { cwd: directory, env: npmEnvironment(), stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    npm.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-2000);
    });
    npm.once('error', reject);
    npm.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`npm could not install ${wanted}: ${complaint}`)),
    );
  });
}

/** Installs beside the final place and moves there in one step; whoever comes second throws his own away. */
async function install(cache: string, final: string): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const temporary = mkdtempSync(`${final}.`);
  try {
    chmodSync(temporary, 0o755);
    await npmInstall(temporary);
    renameSync(temporary, final);
  } catch (error) {
    if (existsSync(join(final, BIN))) return;
    throw existsSync(final) ? new Error(`${final} is incomplete, remove it`, { cause: error }) : error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

let installing: Promise<void> | undefined;

/** The script that is the CLI, installed into the cache by the first who asks; safe when several do at once. */
export async function installHerokuCli(): Promise<string> {
  const cache = cacheDirectory();
  const final = join(cache, `heroku-cli-${HEROKU_CLI_VERSION}`);
  if (!existsSync(join(final, BIN))) {
    installing ??= install(cache, final);
    await installing;
  }
  return join(final, BIN);
}
