import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** Throw-away certificates for tests and fuzzing, written as DER by hand so that neither needs a tool or a library. */
export interface Certificate {
  certificate: string;
  privateKey: string;
}

/** A signature algorithm: its AlgorithmIdentifier in DER, the hash to sign with, and how to make a key. */
interface Algorithm {
  identifier: Buffer;
  hash: string | null;
  keys: () => { publicKey: Buffer; privateKey: Buffer };
}

// Encoded at once: on Node 20 the export of a generated key object hangs for good when a garbage collection comes in its way.
const ec = () =>
  generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
const rsa = () =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
const ed25519 = () =>
  generateKeyPairSync('ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
const identifier = (oid: string, ...parameters: Buffer[]) =>
  sequence(tlv(0x06, Buffer.from(oid, 'hex')), ...parameters);

/** By OpenSSL's names. */
export const algorithms = {
  'ecdsa-sha256': () => ({ identifier: identifier('2a8648ce3d040302'), hash: 'sha256', keys: ec }),
  'ecdsa-sha384': () => ({ identifier: identifier('2a8648ce3d040303'), hash: 'sha384', keys: ec }),
  'rsa-sha256': () => ({ identifier: identifier('2a864886f70d01010b', tlv(0x05)), hash: 'sha256', keys: rsa }),
  'rsa-sha512': () => ({ identifier: identifier('2a864886f70d01010d', tlv(0x05)), hash: 'sha512', keys: rsa }),
  ed25519: () => ({ identifier: identifier('2b6570'), hash: null, keys: ed25519 }),
} satisfies Record<string, () => Algorithm>;

/** A self-signed certificate for these DNS names and 127.0.0.1; a client may also trust it as its own authority. */
export function selfSigned(names: readonly string[], algorithm: keyof typeof algorithms = 'ecdsa-sha256'): Certificate {
  const { identifier: signature, hash, keys } = algorithms[algorithm]() as Algorithm;
  const { publicKey, privateKey } = keys();
  const name = sequence(tlv(0x31, sequence(tlv(0x06, Buffer.from('550403', 'hex')), tlv(0x0c, Buffer.from('test')))));
  const day = 86_400_000;
  const tbs = sequence(
    tlv(0xa0, tlv(0x02, Buffer.of(2))),
    tlv(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    signature,
    name,
    sequence(time(Date.now() - day), time(Date.now() + 30 * day)),
    name,
    publicKey,
    tlv(0xa3, sequence(alternativeNames(names), authority())),
  );
  const bits = Buffer.concat([Buffer.of(0), sign(hash, tbs, { key: privateKey, format: 'der', type: 'pkcs8' })]);
  const der = sequence(tbs, signature, tlv(0x03, bits));
  return { certificate: pem('CERTIFICATE', der), privateKey: pem('PRIVATE KEY', privateKey) };
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g)!;
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

function alternativeNames(names: readonly string[]): Buffer {
  const general = [...names.map((name) => tlv(0x82, Buffer.from(name))), tlv(0x87, Buffer.of(127, 0, 0, 1))];
  return sequence(tlv(0x06, Buffer.from('551d11', 'hex')), tlv(0x04, sequence(...general)));
}

/** basicConstraints, critical, CA:TRUE. */
function authority(): Buffer {
  const yes = tlv(0x01, Buffer.of(0xff));
  return sequence(tlv(0x06, Buffer.from('551d13', 'hex')), yes, tlv(0x04, sequence(yes)));
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return tlv(0x17, Buffer.from(text.slice(2)));
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function tlv(tag: number, content: Buffer = Buffer.alloc(0)): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}
