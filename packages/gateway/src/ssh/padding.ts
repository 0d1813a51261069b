import { randomFillSync } from 'node:crypto';
import type { CipherInternals } from './internals.js';

/** What AES-GCM packets of SSH are made of (RFC 5647, RFC 4253, 6), in bytes. */
const [LENGTH, HEADER, BLOCK, LEAST_PADDING, TAG] = [4, 5, 16, 4, 16];

const POOL_BYTES = 64 * 1024;
const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

/**
 * Lets a cipher take the random padding of its packets out of a pool, each byte of it once: ssh2 asks for each packet's few
 * bytes by a call of its own, which costs more than encrypting them. A cipher whose packets have another form keeps its own way.
 */
export function poolPadding(cipher: CipherInternals): void {
  if (isGcm(cipher)) cipher.allocPacket = allocPacket;
}

/** The form of a packet follows from its payload's length modulo the block, so one block of lengths shows them all. */
function isGcm(cipher: CipherInternals): boolean {
  for (let bytes = 1; bytes <= BLOCK; bytes++) {
    const [theirs, ours] = [cipher.allocPacket(bytes), allocPacket(bytes)];
    if (theirs.length !== ours.length || theirs.compare(ours, 0, HEADER, 0, HEADER) !== 0) return false;
  }
  return true;
}

function allocPacket(payloadBytes: number): Buffer {
  const beforePadding = HEADER + payloadBytes;
  let padding = BLOCK - ((beforePadding - LENGTH) & (BLOCK - 1));
  if (padding < LEAST_PADDING) padding += BLOCK;
  const end = beforePadding + padding;
  const packet = Buffer.allocUnsafe(end + TAG);
  packet.writeUInt32BE(end - LENGTH, 0);
  packet[LENGTH] = padding;
  if (used + padding > POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  for (let at = beforePadding; at < end; at++) packet[at] = pool[used++]!;
  return packet;
}
