import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayDirectory, Key } from './gateway-directory.js';
import { waitFor } from './wait.js';

/** True where the machine has OpenSSH's client. */
export const hasSsh = spawnSync('ssh', ['-V']).status === 0;

/** The machine's own `ssh`, run as a stock client of one gateway: strict host key checking, no configuration file. */
export class OpenSsh {
  stderr = '';
  exit: number | null = null;
  readonly child: ChildProcess;

  constructor(directory: GatewayDirectory, port: number, extra: string[], options: Partial<Identity> = {}) {
    const { user = 'alice', key = directory.alice, host = '127.0.0.1', hostKey = directory.hostKeys[0]! } = options;
    const known = path.join(directory.path, `known-${port}`);
    writeFileSync(known, `[${host}]:${port} ${hostKey.public.split(' ').slice(0, 2).join(' ')}\n`);
    const fixed = ['-F', 'none', '-p', `${port}`, '-i', key.file, '-l', user];
    const set = ['IdentitiesOnly=yes', 'BatchMode=yes', `UserKnownHostsFile=${known}`, 'StrictHostKeyChecking=yes'];
    const args = [...fixed, ...set.flatMap((one) => ['-o', one]), ...extra];
    args.splice(args.indexOf('HOST') === -1 ? args.length : args.indexOf('HOST'), 1, host);
    this.child = spawn('ssh', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child.stderr?.on('data', (data) => {
      this.stderr += data;
    });
    this.child.once('exit', (code) => {
      this.exit = code ?? -1;
    });
  }

  /** Waits for the local end of a forwarding, given as a Unix socket, or for ssh to give up. */
  async ready(socket: string): Promise<void> {
    await waitFor('the tunnel', () => existsSync(socket) || this.exit !== null);
    if (this.exit !== null) throw new Error(this.stderr);
  }

  async ended(): Promise<number> {
    await waitFor('ssh to end', () => this.exit !== null);
    return this.exit ?? -1;
  }

  async stop(): Promise<void> {
    if (this.exit === null) this.child.kill('SIGKILL');
    await this.ended();
  }
}

interface Identity {
  user: string;
  key: Key;
  host: string;
  hostKey: Key;
}

/** Sends text through the local end of a tunnel and gives what came back before it was closed or complete. */
export async function through(socketPath: string, text: string): Promise<string> {
  const socket = await connected(socketPath);
  let back = '';
  socket.on('data', (data) => {
    back += data.toString();
  });
  socket.on('error', () => {});
  socket.write(text);
  await waitFor('the echo', () => back.length >= text.length || socket.closed);
  socket.destroy();
  return back;
}

/** ssh binds the socket, which makes its file, a moment before it listens: until then it refuses. */
async function connected(socketPath: string): Promise<net.Socket> {
  for (;;) {
    const socket = net.connect(socketPath);
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED' || !existsSync(socketPath)) throw error;
      await sleep(10);
    }
  }
}
