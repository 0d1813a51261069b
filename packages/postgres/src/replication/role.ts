import pg from 'pg';
import { makeVerifier, verifies } from '../access/scram-verifier.js';

const { escapeIdentifier, escapeLiteral } = pg;

/**
 * Makes sure that the role can feed standbys and log in with that password; it may do nothing else. Waits for no standby, since there may
 * be none before this role is right.
 */
export async function ensureReplicationRole(client: pg.Client, name: string, password: string): Promise<void> {
  const { rows } = await client.query<{ verifier: string | null; able: boolean }>(
    'select rolpassword as verifier, rolcanlogin and rolreplication as able from pg_authid where rolname = $1',
    [name],
  );
  const [found] = rows;
  if (found?.able && (await verifies(found.verifier, password))) return;
  const verifier = escapeLiteral(await makeVerifier(password));
  await client.query('set synchronous_commit = local');
  try {
    const command = found ? 'alter' : 'create';
    await client.query(`${command} role ${escapeIdentifier(name)} login replication password ${verifier}`);
  } finally {
    await client.query('reset synchronous_commit');
  }
}
