import type { ProtocolInternals } from './internals.js';
import { sendPacket, sshString } from './packets.js';

/** By which a client's key may sign, announced as `server-sig-algs` (RFC 8308, 3.1). Never SHA-1. */
const ALGORITHMS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];
const EXT_INFO = 7;

/**
 * Makes ssh2 announce these instead of its own list, in which SHA-1 stands and a comma is missing: a client that signs by
 * rsa-sha2-512 alone would find nothing there. Must run before the first key exchange.
 */
export function announceSignatureAlgorithms(protocol: ProtocolInternals): void {
  const own = protocol._onHandshakeComplete;
  let first = true;
  protocol._onHandshakeComplete = (...negotiated) => {
    if (first && protocol._kex?.remoteExtInfoEnabled) {
      protocol._kex.remoteExtInfoEnabled = false; // what makes ssh2 send its own
      sendPacket(protocol, extInfo());
    }
    first = false;
    own(...negotiated);
  };
}

function extInfo(): Buffer {
  const count = Buffer.from([0, 0, 0, 1]);
  return Buffer.concat([Buffer.from([EXT_INFO]), count, sshString('server-sig-algs'), sshString(ALGORITHMS.join(','))]);
}
