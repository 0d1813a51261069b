import { chmodSync, renameSync, rmSync, statSync } from 'node:fs';
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
  /** Takes no more commands and removes the socket. */
  close(): void;
}

/**
 * Opens `control.sock` in the gateway's directory, mode 0600. One that a killed predecessor left is replaced; when a
 * living gateway answers there, rejects with an Error that says so.
 */
export async function openControl(directory: string, handle: CommandHandler, log: Logger): Promise<Control> {
  const socketPath = path.join(directory, 'control.sock');
  const first = `${socketPath}.${process.pid}`;
  if (Buffer.byteLength(first) > MAX_PATH) throw new Error(`${directory} is too long a path for a control socket.`);
  if (await answers(socketPath)) throw new Error(`A gateway already runs in ${directory}.`);
  rmSync(first, { force: true });
  const sockets = new Set<Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket, handle, log);
  });
  await listening(server, first);
  chmodSync(first, 0o600);
  const { ino } = statSync(first);
  renameSync(first, socketPath); // appears with its right mode, in one step
  return { close: () => closeControl(server, sockets, socketPath, ino) };
}

function closeControl(server: net.Server, sockets: Set<Socket>, socketPath: string, ino: number): void {
  server.close();
  for (const socket of sockets) socket.destroySoon();
  if (statSync(socketPath, { throwIfNoEntry: false })?.ino === ino) rmSync(socketPath, { force: true });
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
    return { ok: false, error: 'A command is one JSON object a line: status, reload, close or stop.' };
  return handle(command.data);
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
