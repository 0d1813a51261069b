import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Engine } from '@borealis/engine';
import { cacheDirectory } from '@borealis/postgres';
import { keeperSocket } from '../../src/home/paths.js';
import type { KeeperOptions } from '../../src/options.js';
import { createEngineClient } from '../../src/rpc/client.js';
import { gatewayBundle } from './home.js';

const MAIN = fileURLToPath(new URL('./keeper-main.mjs', import.meta.url));

/** A keeper in a process of its own, to be killed. */
export interface KeeperProcess {
  engine: Engine;
  pid: number;
  /** Resolves once it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** Starts it and resolves when its socket answers; rejects with what it said when it ends instead. */
export async function startKeeperProcess(
  home: string,
  user?: { uid: number; gid: number },
  options: Partial<KeeperOptions> = {},
  env: NodeJS.ProcessEnv = {},
): Promise<KeeperProcess> {
  const { store, ...rest } = options;
  const more = {
    ...rest,
    ...(store && { store: { ...store, wrappingKey: store.wrappingKey.reveal().toString('base64') } }),
  };
  const child = spawn(process.execPath, [MAIN, home, cacheDirectory(), gatewayBundle(), JSON.stringify(more)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR, ...env },
    cwd: '/',
    ...user,
  });
  const said: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const first = await Promise.race([once(child.stdout, 'data'), once(child, 'close').then(() => null)]);
  if (!first) throw new Error(said.join('').trim());
  const engine = createEngineClient(keeperSocket(home));
  return { engine, pid: child.pid!, kill: (signal) => killAndWait(child, signal) };
}

async function killAndWait(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
