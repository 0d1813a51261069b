import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { formatVerifier, makeVerifier, parseVerifier } from '../src/scram-verifier.js';
import { Secret } from '../src/secret.js';

test('the text form is the one that PostgreSQL stores', async () => {
  const known =
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=';
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
  const made = await makeVerifier('pencil', {
    iterations: 4096,
    salt,
    storedKey: Buffer.alloc(32),
    serverKey: Buffer.alloc(32),
  });
  expect(formatVerifier(made)).toBe(known);
  expect(formatVerifier(parseVerifier(known))).toBe(known);
});

test('a second password can share the first one’s salt, and only then', async () => {
  const first = await makeVerifier('first-password');
  const second = await makeVerifier('second-password', first);
  const stranger = await makeVerifier('first-password');
  expect(second.salt).toEqual(first.salt);
  expect(second.storedKey).not.toEqual(first.storedKey);
  expect(stranger.salt).not.toEqual(first.salt);
});

test.each(['', 'md5abc', 'SCRAM-SHA-256$x:y$z:z', 'SCRAM-SHA-256$4096:AAAA$short=:short='])(
  '%j is no verifier',
  (text) => {
    expect(() => parseVerifier(text)).toThrow('SCRAM-SHA-256');
  },
);

test('a password that SASLprep could change is refused', async () => {
  await expect(makeVerifier('pässword')).rejects.toThrow('printable ASCII');
});

test('a secret shows itself in no kind of print', () => {
  const secret = new Secret('hunter2');
  const shown = `${secret} ${JSON.stringify({ secret })} ${inspect({ secret })} ${String(secret)}`;
  expect(shown).not.toContain('hunter2');
  expect(secret.reveal()).toBe('hunter2');
});
