import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { Secret } from './secret.js';

/** A key pair in the forms that every SSH client and server takes. */
export interface SshKeyPair {
  /** One line: `ssh-ed25519 AAAA…`. */
  publicKey: string;
  /** `-----BEGIN OPENSSH PRIVATE KEY-----`, without a passphrase, with a newline at its end. */
  privateKey: Secret;
}

const TYPE = 'ssh-ed25519';

/** Makes a new ed25519 key pair that OpenSSH and ssh2 read (ssh2's own generator now and then writes one it cannot read). */
export function makeSshKeyPair(): SshKeyPair {
  // Encoded at once: on Node 20 the export of a generated key object hangs for good when a garbage collection comes in its way.
  const pair = generateKeyPairSync('ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
  const [point, seed] = [rawKey(pair.publicKey), rawKey(pair.privateKey)];
  const publicBlob = Buffer.concat([field(TYPE), field(point)]);
  return {
    publicKey: `${TYPE} ${publicBlob.toString('base64')}`,
    privateKey: new Secret(pem(Buffer.concat([header(publicBlob), field(privateSection(point, seed))]))),
  };
}

/** The fingerprint of a one-line public key, as OpenSSH prints it: `SHA256:…`. */
export function keyFingerprint(publicKey: string): string {
  const blob = Buffer.from(publicKey.split(' ')[1] ?? '', 'base64');
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** Both encodings of RFC 8410 end in the 32 bytes of the key. */
function rawKey(der: Buffer): Buffer {
  return der.subarray(-32);
}

// The layout is that of OpenSSH's PROTOCOL.key: cipher, KDF and its options (none), one key, then the private section.
function header(publicBlob: Buffer): Buffer {
  const magic = Buffer.from('openssh-key-v1\0', 'latin1');
  return Buffer.concat([magic, field('none'), field('none'), field(''), uint32(1), field(publicBlob)]);
}

function privateSection(point: Buffer, seed: Buffer): Buffer {
  const check = randomBytes(4);
  const body = Buffer.concat([check, check, field(TYPE), field(point), field(Buffer.concat([seed, point])), field('')]);
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, (8 - (body.length % 8)) % 8));
  return Buffer.concat([body, padding]);
}

function field(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,70}/g)!;
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n');
}
