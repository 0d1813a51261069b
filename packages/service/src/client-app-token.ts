import { createHmac } from 'node:crypto';
import { Secret } from '@borealis/contract';

/** Signs the `CLIENT_APP_JWT` of one add-on (HS256): it proves that the holder reads that add-on's config vars, and nothing else. */
export function clientAppToken(key: Secret<Buffer>, addonId: string, issuer: string): Secret {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const content = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ iss: issuer, sub: addonId, aud: 'client-app' })}`;
  return new Secret(`${content}.${createHmac('sha256', key.reveal()).update(content).digest('base64url')}`);
}
