import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify(pbkdf2);
const ITERATIONS = 4096;
const VERIFIER = /^SCRAM-SHA-256\$(\d+):([^$]+)\$/;

/**
 * A printable ASCII password as PostgreSQL stores it. Statements carry this instead of the password, which so never
 * reaches the server's log or memory.
 */
export async function makeVerifier(password: string, salt = randomBytes(16), iterations = ITERATIONS): Promise<string> {
  if (!/^[\x21-\x7e]+$/.test(password)) throw new Error('BUG: a generated password must be printable ASCII');
  const salted = await derive(password, salt, iterations, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest('base64');
  const serverKey = createHmac('sha256', salted).update('Server Key').digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

/** True when `verifier`, as read from pg_authid, is one of this password. */
export async function verifies(verifier: string | null, password: string): Promise<boolean> {
  const match = VERIFIER.exec(verifier ?? '');
  if (!match) return false;
  const again = await makeVerifier(password, Buffer.from(match[2]!, 'base64'), Number(match[1]));
  return again.length === verifier!.length && timingSafeEqual(Buffer.from(again), Buffer.from(verifier!));
}
