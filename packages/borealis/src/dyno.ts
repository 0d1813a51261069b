import { spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  cpSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureDynoUser } from './dyno-user.js';
import { Failure } from './failure.js';
import { PROJECT } from './local-settings.js';
import type { PlatformClient } from './platform-client.js';

export interface DynoRequest {
  app: string;
  command: readonly string[];
  /** Directory whose content is the app's code; without it the command runs beside an empty slug, in the current directory. */
  slug?: string;
  /** `capture` keeps what the command prints instead of showing it. */
  output: 'inherit' | 'capture';
  /** The service's CA file, which a dyno elsewhere gets with the tunnel's config var. */
  caFile?: string;
}

export interface DynoResult {
  status: number;
  stdout: string;
  stderr: string;
}

const BUILDPACK = join(PROJECT, 'packages/buildpack');

/** What a dyno starts with: the slug's profile scripts sourced, then the command in the same process. */
const START =
  'cd "$BOREALIS_DYNO_DIRECTORY" && unset BOREALIS_DYNO_DIRECTORY && for f in "$HOME"/.profile.d/*.sh; do . "$f"; done; exec "$@"';

function chownTree(path: string, user: { uid: number; gid: number }): void {
  chownSync(path, user.uid, user.gid);
  if (!lstatSync(path).isDirectory()) return;
  for (const name of readdirSync(path)) chownTree(join(path, name), user);
}

/** Builds a slug as the platform would: the app's files, then the buildpack's compile step. */
function buildSlug(request: DynoRequest, user: { uid: number; gid: number } | null): string {
  const slug = mkdtempSync(join(tmpdir(), 'dyno-'));
  if (request.slug) cpSync(request.slug, slug, { recursive: true, dereference: true });
  const empty = mkdtempSync(join(tmpdir(), 'dyno-cache-'));
  const compiled = spawnSync(join(BUILDPACK, 'bin/compile'), [slug, empty, empty], { encoding: 'utf8' });
  rmSync(empty, { recursive: true, force: true });
  if (compiled.status !== 0)
    throw new Failure(`The buildpack could not be applied: ${compiled.stderr || compiled.error?.message}`);
  chmodSync(slug, 0o700);
  if (user) chownTree(slug, user);
  return slug;
}

function canEnter(directory: string): boolean {
  try {
    accessSync(directory, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs a command the way a dyno would: nothing of this environment but PATH, the app's config vars, the buildpack's start-up
 * script, then the command; as a user of its own when we are root. Resolves with the command's exit status.
 */
export async function runDyno(platform: PlatformClient, request: DynoRequest): Promise<DynoResult> {
  const config = await platform.request<Record<string, string>>(
    'GET',
    `/apps/${encodeURIComponent(request.app)}/config-vars`,
  );
  const user = ensureDynoUser();
  const slug = buildSlug(request, user);
  const name = `run.${1000 + (process.pid % 9000)}`;
  try {
    return await start(request, slug, user, {
      PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
      ...(process.env.TERM ? { TERM: process.env.TERM } : {}),
      LANG: 'C.UTF-8',
      ...config,
      HOME: slug,
      DYNO: name,
      PORT: process.env.PORT ?? '5000',
      BOREALIS_DYNO_DIRECTORY: request.slug || user ? slug : process.cwd(),
      ...(request.caFile && canEnter(request.caFile) ? {} : {}),
    });
  } finally {
    rmSync(slug, { recursive: true, force: true });
  }
}

function start(
  request: DynoRequest,
  slug: string,
  user: { uid: number; gid: number } | null,
  env: Record<string, string>,
): Promise<DynoResult> {
  const child = spawn('bash', ['-c', START, 'dyno', ...request.command], {
    cwd: slug,
    env,
    stdio: request.output === 'inherit' ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    ...(user ?? {}),
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const ignore = (): void => {};
  process.on('SIGINT', ignore);
  return new Promise<DynoResult>((resolve, reject) => {
    child.once('error', (error) => reject(new Failure(`bash could not be started: ${error.message}`)));
    // 'close' would wait for the tunnel's processes, which hold the same pipes a moment longer.
    child.once('exit', (code, signal) =>
      setTimeout(() => resolve({ status: code ?? (signal ? 128 : 1), stdout, stderr }), 50),
    );
  }).finally(() => process.off('SIGINT', ignore));
}
