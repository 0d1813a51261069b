import { formatVerifier, makeVerifier } from '@borealis/contract';
import type { ClusterAccess } from '@borealis/engine';
import { sshKey } from '../../../../test/support/ssh-key.js';

/** An app with one tunnel user, `minors`, and one role. */
export const KEY = sshKey();
export const APP = { user: 'app_rw_minors', password: 'Pa55wordOfTheApp', database: 'minors' };

export async function appAccess(): Promise<ClusterAccess> {
  const { user, database, password } = APP;
  const tunnelUser = { kind: 'app' as const, label: 'app', database, roles: [user], validUntil: null };
  return {
    revision: 1,
    databases: [{ name: database, owner: user }],
    roles: [{ name: user, database, verifiers: [formatVerifier(await makeVerifier(password))], validUntil: null }],
    tunnelUsers: [{ ...tunnelUser, username: 'minors', publicKeys: [KEY.public] }],
  };
}
