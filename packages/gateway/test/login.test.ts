import type { TunnelUser } from '@borealis/contract';
import ssh2, { type AuthContext } from 'ssh2';
import { expect, test } from 'vitest';
import { Login } from '../src/ssh/login.js';
import { acceptableKey } from '../src/ssh/public-keys.js';
import { UserDirectory } from '../src/ssh/user-directory.js';

const pair = ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 });
const key = ssh2.utils.parseKey(pair.private);
if (key instanceof Error) throw key;

const user: TunnelUser = {
  username: 'alice',
  kind: 'app',
  label: 'alice',
  publicKeys: [pair.public],
  database: 'app',
  roles: [],
  validUntil: null,
};

/** Lets one signed request through the login and tells what became of it. */
function attempt(hashAlgo: string | undefined, username = 'alice', algo = 'ssh-rsa') {
  const seen = { accepted: false, rejected: false, failures: 0, opened: 0 };
  const login = new Login({
    directory: () => new UserDirectory([user]),
    limits: () => ({ authenticationRequests: 30, badSignatures: 6 }),
    delayFor: () => 0,
    failed: () => void seen.failures++,
    succeeded: () => void seen.opened++,
    cut: () => {},
    isDead: () => false,
    now: Date.now,
  });
  const blob = Buffer.from('session and request');
  const signature = key instanceof Error ? Buffer.alloc(0) : (key.sign(blob, hashAlgo) as Buffer);
  const request = {
    username,
    method: 'publickey',
    key: { algo, data: key instanceof Error ? Buffer.alloc(0) : key.getPublicSSH() },
    hashAlgo,
    blob,
    signature,
    accept: () => {
      seen.accepted = true;
    },
    reject: () => {
      seen.rejected = true;
    },
  };
  login.handle(request as unknown as AuthContext);
  return seen;
}

test('an RSA signature with SHA-2 opens the tunnel', () => {
  expect(attempt('sha256')).toEqual({ accepted: true, rejected: false, failures: 0, opened: 1 });
});

test('a right RSA signature with SHA-1 is refused', () => {
  const refused = { accepted: false, rejected: true, failures: 1, opened: 0 };
  expect(attempt(undefined)).toEqual(refused);
  for (const algo of ['ssh-ed25519', 'rsa-sha2-999', '']) expect(attempt(undefined, 'alice', algo)).toEqual(refused);
});

test('a right signature under a name that does not exist is refused', () => {
  expect(attempt('sha256', 'mallory')).toEqual({ accepted: false, rejected: true, failures: 1, opened: 0 });
});

test('keys that are no keys, of other types or too large are not acceptable', () => {
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(4), Buffer.alloc(2000), Buffer.from('\0\0\0\x07ssh-dss')]) {
    expect(acceptableKey(bytes)).toBeTypeOf('string');
  }
  expect(acceptableKey(key instanceof Error ? Buffer.alloc(0) : key.getPublicSSH())).toBeUndefined();
});
