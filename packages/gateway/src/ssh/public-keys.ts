import { createHash } from 'node:crypto';
import ssh2 from 'ssh2';

const MIN_RSA_BITS = 2048;
/** Larger keys only cost us time: each check of a signature grows with the square of it. */
const MAX_RSA_BITS = 8192;
/** No key that we accept is longer in wire form. */
const MAX_KEY_BYTES = 1200;

const TYPES = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa'];

/** The fields of a key in SSH wire form (RFC 4251 strings), or null when it is malformed. */
function fields(key: Buffer): Buffer[] | null {
  const found: Buffer[] = [];
  for (let at = 0; at < key.length; ) {
    if (at + 4 > key.length) return null;
    const end = at + 4 + key.readUInt32BE(at);
    if (end > key.length || found.length === 3) return null;
    found.push(key.subarray(at + 4, end));
    at = end;
  }
  return found;
}

/** Bits of a positive mpint. */
function bitLength(mpint: Buffer): number {
  const start = mpint.findIndex((byte) => byte !== 0);
  return start === -1 ? 0 : (mpint.length - start) * 8 - Math.clz32(mpint[start] ?? 0) + 24;
}

/** The fingerprint of a public key in wire form, as OpenSSH prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** True for an RSA key in wire form. */
export function isRsa(key: Buffer): boolean {
  return fields(key)?.[0]?.toString('latin1') === 'ssh-rsa';
}

/** Undefined when a public key in wire form may be used here; otherwise why not. Looks at form and size only. */
export function acceptableKey(key: Buffer): string | undefined {
  if (key.length > MAX_KEY_BYTES) return 'it is too large';
  const parts = fields(key);
  const type = parts?.[0]?.toString('latin1') ?? '';
  if (!TYPES.includes(type)) return 'its type is not ed25519, ecdsa or rsa';
  if (type !== 'ssh-rsa') return undefined;
  const bits = bitLength(parts?.[2] ?? Buffer.alloc(0));
  return bits < MIN_RSA_BITS || bits > MAX_RSA_BITS ? 'it is an RSA key outside 2048 to 8192 bits' : undefined;
}

/** True when `signature` over `data` was made by this key. Never throws. */
export function verifySignature(key: Buffer, data: Buffer, signature: Buffer, hash: string | undefined): boolean {
  try {
    const parsed = ssh2.utils.parseKey(key);
    return !(parsed instanceof Error) && parsed.verify(data, signature, hash) === true;
  } catch {
    return false;
  }
}
