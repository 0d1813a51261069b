import type { Socket } from 'node:net';
import type { Server, Connection as Ssh2Connection } from 'ssh2';
import ssh2Crypto from 'ssh2/lib/protocol/crypto.js';

/**
 * The part of ssh2 that is not its public interface and that this gateway uses: all of it is named here, so that an
 * upgrade of ssh2 has one place to look at. `assertInternals` checks it at start.
 */

/** A CHANNEL_OPEN as ssh2 parses it. */
export interface OpenRequest {
  type: string;
  /** The peer's number for the channel. */
  sender: number;
  window: number;
  packetSize: number;
  data: { destIP?: string; destPort?: number };
}

/** ssh2's calls out, by message name. The first argument is the protocol object itself. */
export type MessageHandlers = Record<string, (protocol: unknown, ...rest: never[]) => void>;

export interface CipherInternals {
  /** A packet with lengths and padding filled in; the payload begins after the first five bytes. */
  allocPacket(payloadBytes: number): Buffer;
  /** Encrypts the packet where it is and sends it. */
  encrypt(packet: Buffer): void;
}

export interface ProtocolInternals {
  _handlers: MessageHandlers;
  /** Set while a key exchange runs, from our KEXINIT to both NEWKEYS. */
  _kexinit: Buffer | undefined;
  /** Packets held back until the key exchange is over. ssh2 puts no bound on it. */
  _queue: unknown[] | undefined;
  /** The key exchange that runs or ran last. */
  _kex: { remoteExtInfoEnabled?: boolean } | undefined;
  /** Called after each key exchange, with the new keys in use and before anything else is sent by them. */
  _onHandshakeComplete(...negotiated: unknown[]): void;
  /** What encrypts; another one after each key exchange. */
  _cipher: CipherInternals;
  channelOpenConfirm(remote: number, local: number, window: number, maxPacket: number): void;
  channelOpenFail(remote: number, reason: number, description: string): void;
  channelData(remote: number, data: Buffer): void;
  channelWindowAdjust(remote: number, amount: number): void;
  channelEOF(remote: number): void;
  channelClose(remote: number): void;
  channelFailure(remote: number): void;
}

/** ssh2's server-side connection with the private members this gateway relies on. */
export type ClientInternals = Ssh2Connection & {
  _protocol: ProtocolInternals;
  _sock: Socket;
  authenticated: boolean;
};

const PROTOCOL_METHODS = [
  '_onHandshakeComplete',
  'channelOpenConfirm',
  'channelOpenFail',
  'channelData',
  'channelWindowAdjust',
  'channelEOF',
  'channelClose',
  'channelFailure',
] as const;

/** The messages whose handlers this gateway replaces. */
export const CHANNEL_MESSAGES = [
  'CHANNEL_OPEN',
  'CHANNEL_OPEN_CONFIRMATION',
  'CHANNEL_OPEN_FAILURE',
  'CHANNEL_DATA',
  'CHANNEL_EXTENDED_DATA',
  'CHANNEL_WINDOW_ADJUST',
  'CHANNEL_EOF',
  'CHANNEL_CLOSE',
  'CHANNEL_REQUEST',
  'CHANNEL_SUCCESS',
  'CHANNEL_FAILURE',
] as const;

/** True when ssh2's native crypto binding is loaded; without it the gateway needs 1.3 to 2.1 times the CPU. */
export const nativeCrypto: boolean = ssh2Crypto.bindingAvailable;

/** Throws when this ssh2 cannot take sockets from outside; called once at start. */
export function assertServer(server: Server): void {
  if (typeof server.injectSocket !== 'function')
    throw new Error('This ssh2 has no injectSocket: version 1.17 is needed.');
}

/** Throws when a private member this gateway relies on is not there, instead of being unsafe in silence. */
export function assertInternals(client: ClientInternals): void {
  const protocol = client._protocol as ProtocolInternals | undefined;
  const missing: string[] = PROTOCOL_METHODS.filter((name) => typeof protocol?.[name] !== 'function');
  if (typeof protocol?._handlers?.USERAUTH_REQUEST !== 'function') missing.push('_handlers');
  const cipher = protocol?._cipher;
  if (typeof cipher?.allocPacket !== 'function' || typeof cipher.encrypt !== 'function') missing.push('_cipher');
  if (typeof client._sock?.destroy !== 'function') missing.push('_sock');
  if (missing.length > 0) throw new Error(`This ssh2 lacks ${missing.join(', ')}: version 1.17 is needed.`);
}
