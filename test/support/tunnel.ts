import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConnInfo } from '@borealis/contract';
import { until } from './until.js';

export interface TunnelUser {
  host: string;
  port: number;
  hostKey: string;
  username: string;
  privateKey: string;
}

/** The tunnel user of an app, out of its config vars. */
export function appTunnelUser(config: Record<string, string>, name = 'DATABASE'): TunnelUser {
  const info = parseConnInfo(config[`${name}_TUNNEL_BPG_CONN_INFO`]!);
  return {
    host: info.SSH_HOST!,
    port: Number(info.SSH_PORT),
    hostKey: info.SSH_PUBLIC_HOST_KEY!,
    username: info.SSH_USERNAME!,
    privateKey: info.SSH_USER_PRIVATE_KEY!,
  };
}

/** Where the database itself is, behind the tunnel of an app, out of its config vars. */
export function writerOf(config: Record<string, string>, name = 'DATABASE'): { host: string; port: number } {
  const info = parseConnInfo(config[`${name}_TUNNEL_BPG_CONN_INFO`]!);
  return { host: info.POSTGRES_WRITER_HOST!, port: Number(info.POSTGRES_PORT) };
}

/** Below the range from which the system takes the near ends of connections, so that nothing but a listener can take it meanwhile. */
const PORTS = { first: 10_000, count: 9_000 } as const;

/** A port that is free at this moment. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + randomInt(PORTS.count);
    if (await canListen(port)) return port;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

export function isListening(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** The stock client's options for a host key that is known beforehand. */
export class SshFiles {
  readonly directory = mkdtempSync(join(tmpdir(), 'ssh-'));

  constructor(user: TunnelUser) {
    const key = join(this.directory, 'key');
    writeFileSync(key, user.privateKey.endsWith('\n') ? user.privateKey : `${user.privateKey}\n`);
    chmodSync(key, 0o600);
    const name = user.port === 22 ? user.host : `[${user.host}]:${user.port}`;
    writeFileSync(join(this.directory, 'known_hosts'), `${name} ${user.hostKey}\n`);
    this.args = [
      '-F',
      'none',
      '-i',
      key,
      '-o',
      'IdentitiesOnly=yes',
      '-o',
      'BatchMode=yes',
      '-o',
      'StrictHostKeyChecking=yes',
      '-o',
      `UserKnownHostsFile=${join(this.directory, 'known_hosts')}`,
      '-o',
      'GlobalKnownHostsFile=/dev/null',
      '-o',
      'ExitOnForwardFailure=yes',
      '-p',
      String(user.port),
      `${user.username}@${user.host}`,
    ];
  }

  readonly args: string[];

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export interface OpenTunnel {
  localPort: number;
  ssh: ChildProcess;
  close(): Promise<void>;
}

/** Opens `ssh -N -L` with the machine's own client to one destination behind the gateway. */
export async function openTunnel(user: TunnelUser, target: { host: string; port: number }): Promise<OpenTunnel> {
  const files = new SshFiles(user);
  const localPort = await freePort();
  const ssh = spawn('ssh', ['-N', '-L', `127.0.0.1:${localPort}:${target.host}:${target.port}`, ...files.args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  ssh.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const exit = new Promise<void>((done) => ssh.once('close', () => done()));
  const close = async (): Promise<void> => {
    ssh.kill();
    await exit;
    files.remove();
  };
  try {
    await until('the tunnel to open', () => ssh.exitCode !== null || isListening(localPort));
    if (ssh.exitCode !== null) throw new Error(`ssh ended with ${ssh.exitCode}: ${errors}`);
  } catch (error) {
    await close();
    throw error;
  }
  return { localPort, ssh, close };
}

/** The same database URL through another local port, for a client that checks nothing but the CA. */
export function throughPort(url: string, port: number): string {
  const changed = new URL(url);
  changed.hostname = '127.0.0.1';
  changed.port = String(port);
  changed.search = '';
  return changed.toString();
}
