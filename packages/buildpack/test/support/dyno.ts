import { type ChildProcess, execFileSync, type StdioOptions, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import { freePort } from '../../../../test/support/tunnel.js';
import type { SshServer } from './ssh-server.js';

export const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});
export const onCleanUp = (cleanUp: () => Promise<void> | void) => void cleanUps.push(cleanUp);

/** An app's home, compiled by the buildpack. */
export function slug(): string {
  const home = mkdtempSync(join(tmpdir(), 'bp-'));
  chmodSync(home, 0o755);
  onCleanUp(() => rmSync(home, { recursive: true, force: true }));
  execFileSync(join(PACKAGE, 'bin/compile'), [home, join(home, 'cache'), join(home, 'env')]);
  return home;
}

export interface Dyno {
  process: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** The exit code of the app. */
  ended: Promise<number | null>;
}

/** Runs a command in bash as a dyno does, with these config vars and hardly anything else. */
export const run = (home: string, command: string, config: Record<string, string>): Dyno =>
  start('bash', ['-c', command], home, { HOME: home, ...config });

export interface User {
  uid: number;
  gid: number;
}

/** Starts a program in a process group of its own, with PATH and these variables. */
export function start(
  program: string,
  args: readonly string[],
  home: string,
  variables: Record<string, string>,
  user?: User,
): Dyno {
  const env = { PATH: process.env.PATH, ...variables };
  const stdio: StdioOptions = ['ignore', 'pipe', 'pipe'];
  const child = spawn(program, args, { cwd: home, env, detached: true, stdio, ...user });
  let [stdout, stderr] = ['', ''];
  child.stdout!.on('data', (data) => (stdout += data));
  child.stderr!.on('data', (data) => (stderr += data));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  onCleanUp(async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGKILL');
    await ended;
    await until(() => tunnels(home).length === 0, `the tunnels are gone:\n${stderr}`);
  });
  return { process: child, stdout: () => stdout, stderr: () => stderr, ended };
}

/** A slug's dyno: sources what is in .profile.d, then becomes the app. */
export const sourced = (home: string, app: string, config: Record<string, string>) =>
  run(home, `for file in .profile.d/*.sh; do . "$file"; done; exec bash -c '${app}'`, config);

/** A Dockerfile's CMD: runs the script, then the app, under a shell that stays and that SIGTERM ends before the app. */
export const executed = (home: string, app: string, config: Record<string, string>) =>
  run(home, `./.profile.d/borealis-pg-init-secure-tunnel.sh && bash -c '${app}'; exit $?`, config);

/** The private directories of the tunnels that run. */
export function tunnels(home: string): string[] {
  const base = join(home, '.borealis-pg');
  if (!existsSync(base)) return [];
  return readdirSync(base)
    .filter((name) => name.startsWith('tunnel.'))
    .map((name) => join(base, name));
}

/** Bash for: sends a line through local port $1 and prints the answer, `refused` when nothing listens. */
export const ASK = `ask() { { exec 3<>/dev/tcp/127.0.0.1/$1; } 2>/dev/null || { echo refused; return; }
  echo hello >&3; read -r -t 10 answer <&3; echo "$answer"; exec 3>&-; }`;

export interface Attachment {
  config: Record<string, string>;
  writerPort: number;
  readerPort: number;
}

/** Config vars of an attachment as the service sets them, on free local ports. */
export async function attachment(
  name: string,
  server: SshServer,
  change: Record<string, string> = {},
  host = 'localhost',
): Promise<Attachment> {
  const [writerPort, readerPort] = [await freePort(), await freePort()];
  const info: Record<string, string> = {
    ADDON_ID: 'a',
    POSTGRES_DB_NAME: 'db',
    POSTGRES_PORT: '5432',
    POSTGRES_READER_HOST: `replica.${server.name}.internal`,
    POSTGRES_WRITER_HOST: `primary.${server.name}.internal`,
    SSH_HOST: '127.0.0.1',
    SSH_PORT: String(server.port),
    SSH_PUBLIC_HOST_KEY: server.hostKey,
    SSH_USERNAME: server.user,
    SSH_USER_PRIVATE_KEY: server.clientKey.private,
    ...change,
  };
  const pairs = Object.entries(info).map(([key, value]) => `${key}:=${value.replaceAll('\n', '\\n')}`);
  const config = {
    [`${name}_URL`]: `postgres://app_rw_x:secret-password@${host}:${writerPort}/db?sslmode=require`,
    [`${name}_READONLY_URL`]: `postgres://app_ro_x:secret-password@${host}:${readerPort}/db?sslmode=require`,
    [`${name}_TUNNEL_BPG_CONN_INFO`]: pairs.join('|'),
  };
  return { config, writerPort, readerPort };
}

/** Waits for a condition, forty seconds at most. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + 40_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`Waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
