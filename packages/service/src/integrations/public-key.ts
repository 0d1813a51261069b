import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { AppError } from '../errors.js';

const RSA_BITS = { least: 2048, most: 8192 };
/** The largest exponent, in bytes, that OpenSSL verifies signatures with. */
const RSA_EXPONENT_BYTES = 8;
const CURVES: Record<string, { name: string; crv: string; bytes: number }> = {
  'ecdsa-sha2-nistp256': { name: 'nistp256', crv: 'P-256', bytes: 32 },
  'ecdsa-sha2-nistp384': { name: 'nistp384', crv: 'P-384', bytes: 48 },
  'ecdsa-sha2-nistp521': { name: 'nistp521', crv: 'P-521', bytes: 66 },
};
const TYPES = ['ssh-rsa', 'ssh-ed25519', ...Object.keys(CURVES)];

/**
 * Checks a public key in OpenSSH's one-line format by reading it whole: form, type, size, and for elliptic curves the point. Returns
 * `<type> <base64>` without the comment. Throws `sshPublicKey`, which never repeats the text: it may be a private key.
 */
export function checkPublicKey(text: string): string {
  const line = text.trim();
  if (/PRIVATE KEY/.test(line)) throw refusal('it is a private key, which nobody else should ever see');
  if (/[\r\n]/.test(line)) throw refusal('it has several lines');
  const [type = '', base64 = ''] = line.split(/[ \t]+/);
  checkType(type, line);
  const blob = decode(base64);
  const parts = blob && readFields(blob);
  if (!parts || parts[0]?.toString('latin1') !== type) throw refusal('it is damaged or cut off');
  const problem = problemOf(type, parts.slice(1));
  if (problem) throw refusal(problem);
  return `${type} ${blob.toString('base64')}`;
}

function checkType(type: string, line: string): void {
  if (TYPES.includes(type)) return;
  if (line.split(/[ \t"]+/).some((word) => TYPES.includes(word))) throw refusal('it begins with options');
  if (/^(ssh|sk|ecdsa|rsa)-[\w.@-]{1,60}$/.test(type)) throw refusal(`its type is ${type}`);
  throw refusal(line === '' ? 'it is empty' : 'it is not in that format');
}

/** Null for anything but base64 as OpenSSH writes it; some forms on the web cut the padding off. */
function decode(base64: string): Buffer | null {
  const blob = Buffer.from(base64, 'base64');
  const isSame = blob.toString('base64').replace(/=+$/, '') === base64.replace(/={1,2}$/, '');
  return isSame && blob.length > 0 ? blob : null;
}

/** The strings of SSH's wire format (RFC 4251); null when their lengths do not add up. */
function readFields(blob: Buffer): Buffer[] | null {
  const fields: Buffer[] = [];
  for (let at = 0; at < blob.length; ) {
    if (at + 4 > blob.length) return null;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return null;
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

function problemOf(type: string, parts: Buffer[]): string | null {
  if (type === 'ssh-rsa') return rsaProblem(parts);
  const curve = CURVES[type];
  return curve ? ecdsaProblem(curve, parts) : ed25519Problem(parts);
}

const DAMAGED = 'it is damaged or cut off';

function rsaProblem([exponent, modulus, ...rest]: Buffer[]): string | null {
  if (!exponent || !modulus || rest.length > 0) return DAMAGED;
  const [e, n] = [positive(exponent), positive(modulus)];
  if (!e || !n) return DAMAGED;
  const bits = n.length * 8 - Math.clz32(n[0]!) + 24;
  if (bits < RSA_BITS.least || bits > RSA_BITS.most) return `it is an RSA key of ${bits} bits`;
  const isOdd = (number: Buffer) => number.at(-1)! % 2 === 1;
  const isTiny = e.length === 1 && e[0]! < 3;
  // With an exponent of 1 anybody can sign.
  if (isTiny || !isOdd(e) || !isOdd(n) || e.length > RSA_EXPONENT_BYTES)
    return 'its RSA numbers are not those of a real key';
  return unreadable({ kty: 'RSA', e: e.toString('base64url'), n: n.toString('base64url') });
}

/** The bytes of a positive number in wire format, which has them without needless zeros; null for anything else. */
function positive(mpint: Buffer): Buffer | null {
  const [first, second = 0] = mpint;
  if (first === undefined || first >= 0x80) return null;
  if (first > 0) return mpint;
  return second >= 0x80 ? mpint.subarray(1) : null;
}

function ecdsaProblem({ name, crv, bytes }: (typeof CURVES)[string], [curve, point, ...rest]: Buffer[]): string | null {
  const isWhole = curve?.toString('latin1') === name && point?.length === 1 + 2 * bytes && point[0] === 4;
  if (!isWhole || rest.length > 0) return DAMAGED;
  const coordinate = (from: number) => point.subarray(from, from + bytes).toString('base64url');
  return unreadable({ kty: 'EC', crv, x: coordinate(1), y: coordinate(1 + bytes) });
}

function ed25519Problem([point, ...rest]: Buffer[]): string | null {
  if (point?.length !== 32 || rest.length > 0) return DAMAGED;
  return unreadable({ kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') });
}

/** OpenSSL checks what only a calculation can tell, such as that a point lies on its curve. */
function unreadable(key: JsonWebKey): string | null {
  try {
    createPublicKey({ format: 'jwk', key });
    return null;
  } catch {
    return DAMAGED;
  }
}

function refusal(problem: string): AppError {
  return new AppError('sshPublicKey', { problem });
}
