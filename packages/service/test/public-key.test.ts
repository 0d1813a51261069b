import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { makeSshKeyPair } from '@borealis/contract';
import { expect, test } from 'vitest';
import { checkPublicKey } from '../src/integrations/public-key.js';

const uint32 = (value: number) =>
  Buffer.from([value >>> 24, value >>> 16, value >>> 8, value].map((byte) => byte & 255));
const field = (value: Buffer | string) =>
  Buffer.concat([uint32(Buffer.byteLength(value)), Buffer.from(value as string)]);
const mpint = (bytes: Buffer) => field(bytes[0]! >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
const line = (type: string, ...fields: Buffer[]) =>
  `${type} ${Buffer.concat([field(type), ...fields]).toString('base64')}`;

// Not exported from what was generated: on Node 20 a garbage collection at that moment hangs it for good.
const PEM = {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
} as const;
const JWK = { format: 'jwk' } as const;

function rsa(bits: number): string {
  const { n, e } = createPublicKey(generateKeyPairSync('rsa', { modulusLength: bits, ...PEM }).publicKey).export(JWK);
  return line('ssh-rsa', mpint(Buffer.from(e!, 'base64url')), mpint(Buffer.from(n!, 'base64url')));
}

function ecdsa(bits: 256 | 384 | 521): string {
  const pair = generateKeyPairSync('ec', { namedCurve: `P-${bits}`, ...PEM });
  const { x, y } = createPublicKey(pair.publicKey).export(JWK);
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x!, 'base64url'), Buffer.from(y!, 'base64url')]);
  return line(`ecdsa-sha2-nistp${bits}`, field(`nistp${bits}`), field(point));
}

const ED25519 = makeSshKeyPair().publicKey;
const RSA = rsa(2048);
const FOUR_BYTES = Buffer.from([1, 0, 1]);

// As the product document prints it, without the padding that OpenSSH would write.
const PRINTED =
  'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCsZQlALfJ+2pn8hrvqoYpgt2ofTbShJGbNwpWf8PlN7kUdDtaN7NhSk2VVPGdaxHYBTmchXRSB4zM1UhMY+Uu/fMannj919tj8N9HmrjmcjxSqXGTyBjfbl1tVGz5bl7VJtnU7nqR1BzhxM6+i0oXNgf3l5z+D8ZykxlxVVdsBQMXkPB7LPIBtqwnyu4xFRncyLajrFTJfMhcLxJ175BK9VOL//ZnCgTfY1NI4bHH/BQEFu9T0m2XHK20hTPWzojkM0X0H+BRseGrbcFfEaxlIh4eZ0ZsoZsDQTXr+Knt6vpKSm0qfH/6uWDEmMeMzxBczbggiD9KUEsgYSHOGM6oh';

test.each([
  ['RSA of 2048 bits', RSA],
  ['RSA of 3072 bits', rsa(3072)],
  ['ECDSA nistp256', ecdsa(256)],
  ['ECDSA nistp384', ecdsa(384)],
  ['ECDSA nistp521', ecdsa(521)],
  ['Ed25519', ED25519],
  ['the one of the product document', PRINTED],
])('%s is taken, and its comment is not kept', (_, key) => {
  expect(checkPublicKey(key)).toBe(key);
  expect(checkPublicKey(`  ${key}  etl@example.com with words \n`)).toBe(key);
});

test('a key whose padding was cut off is read all the same', () => {
  const padded = [ED25519, RSA, ecdsa(256), ecdsa(384), ecdsa(521)].find((key) => key.endsWith('='))!;
  expect(checkPublicKey(padded.replace(/=+$/, ''))).toBe(padded);
});

const [type, base64] = ED25519.split(' ') as [string, string];
const cut = (key: string, characters: number) => key.slice(0, key.length - characters);
const offCurve = Buffer.concat([Buffer.of(4), Buffer.alloc(64, 1)]);
const odd = Buffer.alloc(256, 255);
const even = Buffer.concat([Buffer.alloc(255, 255), Buffer.of(254)]);

test.each([
  ['', /it is empty/],
  ['hello', /not in that format/],
  [base64, /not in that format/],
  [type, /damaged/],
  [`${type} ${base64.replace('A', '*')}`, /damaged/],
  [cut(ED25519, 8), /damaged/],
  [cut(RSA, 40), /damaged/],
  [`${type} ${base64}AAAA`, /damaged/],
  [`ssh-rsa ${base64}`, /damaged/],
  [line('ssh-ed25519', field(Buffer.alloc(32)), field('more')), /damaged/],
  [line('ssh-ed25519', field(Buffer.alloc(31))), /damaged/],
  [line('ecdsa-sha2-nistp256', field('nistp256'), field(offCurve)), /damaged/],
  [line('ecdsa-sha2-nistp256', field('nistp384'), field(offCurve)), /damaged/],
  [rsa(1024), /RSA key of 1024 bits/],
  [line('ssh-rsa', mpint(FOUR_BYTES), mpint(Buffer.alloc(1025, 255))), /RSA key of 8200 bits/],
  [line('ssh-rsa', mpint(Buffer.of(1)), mpint(odd)), /not those of a real key/],
  [line('ssh-rsa', mpint(FOUR_BYTES), mpint(even)), /not those of a real key/],
  [line('ssh-rsa', mpint(FOUR_BYTES), field(odd)), /damaged/],
  [line('ssh-rsa', field(Buffer.concat([Buffer.of(0), FOUR_BYTES])), mpint(odd)), /damaged/],
  [line('ssh-dss', field('x')), /its type is ssh-dss/],
  [line('sk-ssh-ed25519@openssh.com', field('x')), /its type is sk-ssh-ed25519@openssh.com/],
  [line('ssh-ed25519-cert-v01@openssh.com', field('x')), /its type is ssh-ed25519-cert-v01@openssh.com/],
  [`command="rm -rf /" ${ED25519}`, /begins with options/],
  [`no-pty ${ED25519}`, /begins with options/],
  [`${ED25519}\n${ED25519}`, /several lines/],
  ['---- BEGIN SSH2 PUBLIC KEY ---- AAAA', /not in that format/],
])('%s is refused with a reason that names what is allowed', (text, reason) => {
  expect(() => checkPublicKey(text)).toThrow(reason);
  expect(() => checkPublicKey(text)).toThrow(/RSA \(2048 to 8192 bits\), ECDSA or Ed25519 .* on one line/);
});

test('a private key is refused without being repeated', () => {
  const { privateKey } = makeSshKeyPair();
  for (const text of [privateKey.reveal(), privateKey.reveal().replaceAll('\n', ' ')]) {
    let said = '';
    try {
      checkPublicKey(text);
    } catch (error) {
      said = (error as Error).message;
    }
    expect(said).toMatch(/it is a private key/);
    expect(said).not.toContain(privateKey.reveal().slice(60, 80));
  }
});
