import { chmodSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import net, { type Socket } from 'node:net';
import path from 'node:path';
import { type GatewayCommand, gatewayCommand } from '@borealis/contract';
import type { Logger } from 'pino';

/** Longest command line in bytes; a `close` may name many users. */
const MAX_LINE = 4 * 1024 * 1024;
/** The limit of a Unix socket path on Linux, without the final zero. */
const MAX_PATH = 107;

export type Answer = Record<string, unknown> & { ok: boolean };
export type CommandHandler = (command: GatewayCommand) => Promise<Answer>;

/** The control socket of a running gateway. */
export interface Control {
  /** Makes `control.sock` lead here, in one step: there is always somebody who answers. */
  claim(): void;
  /** Takes no more commands and removes the socket. */
  close(): void;
}

/**
 * Opens `<pid>.sock` in the gateway's directory, mode 0600, and makes `control.sock` a link to it; a successor claims that
 * later. What killed ones left is removed; when a living gateway answers, rejects with an Error that says so, unless this one is
 * its successor.
 */
export async function openControl(
  directory: string,
  handle: CommandHandler,
  log: Logger,
  isSuccessor = false,
): Promise<Control> {
  const name = `${process.pid}.sock`;
  const socketPath = path.join(directory, name);
  const link = path.join(directory, 'control.sock');
  if (Buffer.byteLength(socketPath) > MAX_PATH)
    throw new Error(`${directory} is too long a path for a control socket.`);
  if (!isSuccessor && (await answers(link))) throw new Error(`A gateway already runs in ${directory}.`);
  await removeLeftovers(directory);
  const sockets = new Set<Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket, handle, log);
  });
  await listening(server, socketPath);
  chmodSync(socketPath, 0o600);
  const claim = () => {
    rmSync(`${socketPath}.link`, { force: true });
    symlinkSync(name, `${socketPath}.link`);
    renameSync(`${socketPath}.link`, link);
  };
  if (!isSuccessor) claim();
  return {
    claim,
    close: () => {
      closeServer(server, sockets, socketPath);
      if (targetOf(link) === name) rmSync(link, { force: true });
    },
  };
}

function closeServer(server: net.Server, sockets: Set<Socket>, socketPath: string): void {
  server.close();
  for (const socket of sockets) socket.destroySoon();
  rmSync(socketPath, { force: true });
}

/** What gateways that were killed have left: nobody answers there. */
async function removeLeftovers(directory: string): Promise<void> {
  for (const name of readdirSync(directory).filter((entry) => /^\d+\.sock(\.link)?$/.test(entry))) {
    const leftover = path.join(directory, name);
    if (!(await answers(leftover))) rmSync(leftover, { force: true });
  }
}

function targetOf(link: string): string | null {
  try {
    return readlinkSync(link);
  } catch {
    return null;
  }
}

function listening(server: net.Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** True when something accepts connections on this path. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect(socketPath);
    probe.once('connect', () => resolve(true));
    probe.once('error', () => resolve(false));
    probe.once('close', () => probe.destroy());
    probe.once('connect', () => probe.destroy());
  });
}

function serve(socket: Socket, handle: CommandHandler, log: Logger): void {
  let text = '';
  let turn = Promise.resolve();
  socket.setEncoding('utf8');
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: string) => {
    text += chunk;
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    if (text.length > MAX_LINE) return socket.destroy();
    for (const line of lines) turn = turn.then(() => answer(socket, line, handle, log));
    return undefined;
  });
}

async function answer(socket: Socket, line: string, handle: CommandHandler, log: Logger): Promise<void> {
  const reply = await run(line, handle).catch((error: Error): Answer => {
    log.error({ error: error.message }, 'A command failed');
    return { ok: false, error: error.message };
  });
  if (!socket.destroyed) socket.write(`${JSON.stringify(reply)}\n`);
}

async function run(line: string, handle: CommandHandler): Promise<Answer> {
  const command = gatewayCommand.safeParse(json(line));
  if (!command.success)
    return {
      ok: false,
      error: 'A command is one JSON object a line: status, reload, ask, hold, resume, close, hand-over or stop.',
    };
  return handle(command.data);
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
