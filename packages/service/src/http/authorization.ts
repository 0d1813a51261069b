import { createHash, timingSafeEqual } from 'node:crypto';
import { Secret } from '@borealis/contract';

/** Compares in the same time whatever the values are, and whatever their lengths. */
export function sameSecret(given: string, expected: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** True when the header is HTTP Basic with exactly this user and password. */
export function isBasic(header: string | undefined, user: string, password: Secret): boolean {
  const encoded = /^basic +([a-z0-9+/=_-]+)$/i.exec(header ?? '')?.[1];
  return sameSecret(Buffer.from(encoded ?? '', 'base64').toString(), `${user}:${password.reveal()}`);
}

/** The token of an HTTP Bearer header; null when it is none. */
export function bearerToken(header: string | undefined): Secret | null {
  const token = /^bearer +([\x21-\x7e]{1,1024})$/i.exec(header ?? '')?.[1];
  return token ? new Secret(token) : null;
}
