import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const pbkdf2Async = promisify(pbkdf2);

/** What a server needs to check a password by SCRAM-SHA-256 (RFC 5802, RFC 7677) without knowing it. */
export interface ScramVerifier {
  iterations: number;
  salt: Buffer;
  storedKey: Buffer;
  serverKey: Buffer;
}

/** PostgreSQL's own default; it costs clients a millisecond and servers nothing. */
export const SCRAM_ITERATIONS = 4096;

/**
 * Derives the verifier of a printable ASCII password (no SASLprep is done).
 * Give the `like` verifier of a password that is still valid, and both can be checked in one exchange:
 * the server sends a single salt before it can know which of the two the client will use.
 */
export async function makeVerifier(password: string, like?: ScramVerifier): Promise<ScramVerifier> {
  if (!/^[\x21-\x7e]+$/.test(password)) throw new Error('BUG: a generated password must be printable ASCII');
  const salt = like?.salt ?? randomBytes(16);
  const iterations = like?.iterations ?? SCRAM_ITERATIONS;
  const salted = await pbkdf2Async(password, salt, iterations, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  return {
    iterations,
    salt,
    storedKey: createHash('sha256').update(clientKey).digest(),
    serverKey: createHmac('sha256', salted).update('Server Key').digest(),
  };
}

/** Names a verifier, given in its text form, where the verifier itself must not stand: SHA-256 in hexadecimal. */
export function verifierDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The text form of `pg_authid.rolpassword`: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`. */
export function formatVerifier(v: ScramVerifier): string {
  return `SCRAM-SHA-256$${v.iterations}:${v.salt.toString('base64')}$${v.storedKey.toString('base64')}:${v.serverKey.toString('base64')}`;
}

const VERIFIER = /^SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)$/;

/** Reads `formatVerifier`'s text; throws a plain sentence on anything else. */
export function parseVerifier(text: string): ScramVerifier {
  const match = VERIFIER.exec(text);
  if (!match) throw new Error('this is not a SCRAM-SHA-256 verifier');
  const [, iterations, salt, storedKey, serverKey] = match;
  return {
    iterations: Number(iterations),
    salt: Buffer.from(salt!, 'base64'),
    storedKey: Buffer.from(storedKey!, 'base64'),
    serverKey: Buffer.from(serverKey!, 'base64'),
  };
}
