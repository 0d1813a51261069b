import { formatVerifier, makeVerifier } from '@borealis/contract';
import type { ClusterAccess } from '@borealis/engine';
import { expect, test } from 'vitest';
import { sshKey } from '../../../test/support/ssh-key.js';
import { checkAccess } from '../src/cluster/access-check.js';

const password = await makeVerifier('one-password');
const verifier = formatVerifier(password);
const sibling = formatVerifier(await makeVerifier('another', password));
const stranger = formatVerifier(await makeVerifier('another'));
const key = sshKey().public;

function document(change: Partial<ClusterAccess> = {}): ClusterAccess {
  const role = { database: 'one', verifiers: [verifier], validUntil: null };
  return {
    revision: 1,
    databases: [{ name: 'one', owner: 'app_rw_one' }],
    roles: [
      { ...role, name: 'app_rw_one' },
      { ...role, name: 'app_ro_one' },
    ],
    tunnelUsers: [
      {
        username: 'tunnel-one',
        kind: 'app',
        label: 'x',
        publicKeys: [key],
        database: 'one',
        roles: ['app_rw_one'],
        validUntil: null,
      },
    ],
    ...change,
  };
}

const [rw, ro] = document().roles;
const [user] = document().tunnelUsers;

test('a sound document is taken, in an order of its own', () => {
  expect(checkAccess(document({ roles: [rw!, ro!] }))).toEqual(checkAccess(document({ roles: [ro!, rw!] })));
  expect(checkAccess(document({ roles: [{ ...rw!, verifiers: [verifier, sibling] }] })).roles).toHaveLength(1);
});

test.each<[string, Partial<ClusterAccess>, RegExp]>([
  ['an owner that is no role', { roles: [ro!], tunnelUsers: [] }, /owner "app_rw_one" of database "one"/],
  ['a role of an unlisted database', { roles: [rw!, { ...ro!, database: 'two' }] }, /unlisted database "two"/],
  ['a role that tenants may not have', { roles: [rw!, { ...ro!, name: 'borealis' }] }, /roles\.1\.name/],
  ['a role listed twice', { roles: [rw!, rw!] }, /role "app_rw_one" is listed twice/],
  ['a user with a foreign role', { tunnelUsers: [{ ...user!, roles: ['app_rw_two'] }] }, /names "app_rw_two"/],
  ['a verifier that is none', { roles: [{ ...rw!, verifiers: ['md5abc'] }] }, /not a SCRAM-SHA-256 verifier/],
  ['verifiers of two salts', { roles: [{ ...rw!, verifiers: [verifier, stranger] }] }, /same salt/],
  ['a key that is none', { tunnelUsers: [{ ...user!, publicKeys: ['ssh-ed25519 AAAA'] }] }, /one-line OpenSSH key/],
  ['two keys in one', { tunnelUsers: [{ ...user!, publicKeys: [`${key}\n${key}`] }] }, /one-line OpenSSH key/],
  ['a database name that needs quoting', { databases: [{ name: 'a"b', owner: 'app_rw_one' }] }, /databases\.0\.name/],
  ['revision 0', { revision: 0 }, /revision/],
])('refused: %s', (_, change, sentence) => {
  expect(() => checkAccess(document(change))).toThrow(sentence);
});
