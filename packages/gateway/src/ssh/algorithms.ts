import type { Algorithms } from 'ssh2';
import type { Profile } from './ident.js';

const KEX = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group14-sha256',
  'diffie-hellman-group16-sha512',
];

const AEAD = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'];

const MACS = ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'];

/**
 * What is offered to a client. No CBC, no SHA-1, no group exchange. No chacha20: whether the client does strict key
 * exchange, without which chacha20 falls to Terrapin, is known only after the offer, and every client seen without
 * AES-GCM has AES-CTR. No compression: a few bytes could unpack to gigabytes.
 */
export function algorithmsFor(profile: Profile): Algorithms {
  const cipher = profile === 'fast' ? AEAD : [...AEAD, 'aes128-ctr', 'aes256-ctr'];
  return { kex: KEX, cipher, hmac: MACS, compress: ['none'] } as Algorithms;
}
