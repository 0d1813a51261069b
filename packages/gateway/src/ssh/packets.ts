import type { ProtocolInternals } from './internals.js';

const DISCONNECT = 1;
/** Where the payload begins in what a cipher's `allocPacket` gives: after the lengths of packet and padding. */
const PAYLOAD_START = 5;

/** A string as SSH packets have it: its length in bytes, then the bytes. */
export function sshString(text: string): Buffer {
  return Buffer.concat([uint32(Buffer.byteLength(text)), Buffer.from(text)]);
}

/** Sends a packet past ssh2, at once, also while a key exchange holds others back. */
export function sendPacket({ _cipher: cipher }: ProtocolInternals, payload: Buffer): void {
  const packet = cipher.allocPacket(payload.length);
  packet.set(payload, PAYLOAD_START);
  cipher.encrypt(packet);
}

/** Tells the client that the connection ends, by which SSH_DISCONNECT code (RFC 4253, 11.1), and why; ssh2 tells no sentence. */
export function disconnect(protocol: ProtocolInternals, code: number, why: string): void {
  sendPacket(protocol, Buffer.concat([Buffer.from([DISCONNECT]), uint32(code), sshString(why), sshString('en')]));
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
