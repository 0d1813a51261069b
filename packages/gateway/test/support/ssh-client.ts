import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import ssh2, { type Client, type ConnectConfig } from 'ssh2';
import type { ProtocolInternals } from '../../src/ssh/internals.js';
import { waitFor } from './wait.js';

/** ssh2's client protocol object: what a hostile client needs to send any message it likes. */
export interface ClientProtocol extends ProtocolInternals {
  directTcpip(channel: number, window: number, maxPacket: number, target: object): void;
  session(channel: number, window: number, maxPacket: number): void;
  rekey(): void;
  ping(): void;
  parse(chunk: Buffer, start: number, end: number): void;
  authPassword(username: string, password: string): void;
}

export type RawClient = Client & { _protocol: ClientProtocol; _sock: import('node:net').Socket };

/** Connects without waiting for login. */
export function open(port: number, options: ConnectConfig): RawClient {
  const client = new ssh2.Client() as RawClient;
  client.on('error', () => {});
  client.connect({ host: '127.0.0.1', port, username: 'alice', readyTimeout: 60_000, ...options });
  return client;
}

/** Connects and logs in; rejects with the client's error when it cannot. */
export async function login(port: number, options: ConnectConfig): Promise<RawClient> {
  const client = open(port, options);
  await Promise.race([once(client, 'ready'), once(client, 'close').then(() => Promise.reject(new Error('closed')))]);
  return client;
}

/** Opens a forwarded connection through ssh2's own channel layer. */
export function forward(client: Client, host = 'primary.test', port = 5432): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.forwardOut('127.0.0.1', 1, host, port, (error, channel) => (error ? reject(error) : resolve(channel)));
  });
}

/** Sends text on a new channel and gives what comes back until as many bytes have come. */
export async function echo(client: Client, text: string): Promise<string> {
  const channel = await forward(client);
  let back = '';
  channel.on('data', (data: Buffer) => {
    back += data.toString();
  });
  channel.write(text);
  await waitFor('the echo', () => back.length >= text.length);
  channel.destroy();
  return back;
}

/** Resolves when the server has ended the connection. */
export async function cut(client: RawClient): Promise<void> {
  await waitFor('the connection to be cut', () => client._sock.closed || client._sock.destroyed);
}

export const TARGET = { dstIP: 'primary.test', dstPort: 5432, srcIP: '127.0.0.1', srcPort: 1 };

/** Opens a channel by raw messages with the window and packet size given; resolves to its number at the server. */
export function rawChannel(client: RawClient, number: number, window: number, maxPacket: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const handlers = client._protocol._handlers as unknown as Record<string, (...all: unknown[]) => void>;
    handlers.CHANNEL_OPEN_CONFIRMATION = (_p, info) => resolve((info as { sender: number }).sender);
    handlers.CHANNEL_OPEN_FAILURE = (_p, _id, reason, text) => reject(new Error(`${reason}: ${text}`));
    client._protocol.directTcpip(number, window, maxPacket, TARGET);
  });
}
