import { type ChildProcess, spawn } from 'node:child_process';
import { guardSlug } from './dyno-guard.js';
import { endLeftovers } from './dyno-leftovers.js';
import { fillSlug, makeSlug, removeSlug } from './dyno-slug.js';
import { ensureDynoUser } from './dyno-user.js';
import { exitStatus } from './exit-status.js';
import { Failure } from './failure.js';
import type { PlatformClient } from './platform-client.js';

export interface DynoRequest {
  app: string;
  command: readonly string[];
  /** Directory whose content is the app's code; without it the command runs beside an empty slug, in the current directory. */
  slug?: string;
  /** `capture` keeps what the command prints instead of showing it. */
  output: 'inherit' | 'capture';
}

export interface DynoResult {
  status: number;
  stdout: string;
  stderr: string;
}

/** What a dyno starts with: the slug's profile scripts sourced, then the command in the same process. */
const START =
  'cd "$BOREALIS_DYNO_DIRECTORY" && unset BOREALIS_DYNO_DIRECTORY && for f in "$HOME"/.profile.d/*.sh; do . "$f"; done; exec "$@"';

/** The dyno has a session of its own, so what a terminal or a supervisor tells us is told to all of its processes. */
const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGWINCH'] as const;

/**
 * Runs a command the way a dyno would: nothing of this environment but PATH, the app's config vars, the buildpack's start-up
 * script, then the command; in a session of its own, as a user of its own when we are root. Resolves with the command's exit
 * status. Nothing of it stays, also when this process is killed.
 */
export async function runDyno(platform: PlatformClient, request: DynoRequest): Promise<DynoResult> {
  const config = await platform.request<Record<string, string>>(
    'GET',
    `/apps/${encodeURIComponent(request.app)}/config-vars`,
  );
  const user = ensureDynoUser();
  const slug = makeSlug();
  const guard = guardSlug(slug);
  try {
    fillSlug(slug, request.slug, user);
    const child = spawn('bash', ['-c', START, 'dyno', ...request.command], {
      cwd: slug,
      env: environment(config, slug, request.slug || user ? slug : process.cwd()),
      stdio: request.output === 'inherit' ? 'inherit' : ['ignore', 'pipe', 'pipe'],
      detached: true,
      ...(user ?? {}),
    });
    guard.watch(child);
    const result = await finished(child);
    await endLeftovers(child.pid, slug);
    return result;
  } finally {
    removeSlug(slug);
    guard.end();
  }
}

function environment(config: Record<string, string>, slug: string, directory: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
    ...(process.env.TERM ? { TERM: process.env.TERM } : {}),
    LANG: 'C.UTF-8',
    ...config,
    HOME: slug,
    DYNO: `run.${1000 + (process.pid % 9000)}`,
    PORT: process.env.PORT ?? '5000',
    BOREALIS_DYNO_DIRECTORY: directory,
  };
}

function finished(child: ChildProcess): Promise<DynoResult> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const passOn = (signal: NodeJS.Signals): void => {
    try {
      if (child.pid) process.kill(-child.pid, signal);
    } catch {
      // It is gone.
    }
  };
  for (const signal of PASSED_ON) process.on(signal, passOn);
  return new Promise<DynoResult>((resolve, reject) => {
    child.once('error', (error) => reject(new Failure(`bash could not be started: ${error.message}`)));
    // 'close' would wait for the tunnel's processes, which hold the same pipes a moment longer.
    child.once('exit', (code, signal) =>
      setTimeout(() => resolve({ status: exitStatus(code, signal), stdout, stderr }), 50),
    );
  }).finally(() => {
    for (const signal of PASSED_ON) process.off(signal, passOn);
  });
}
