import type pg from 'pg';
import { ensureDatabase, lockServiceDatabases } from './databases.js';
import { closeRoles, dropRoles } from './drop-roles.js';
import { grantAccess } from './grants.js';
import { ensureRoles } from './login-roles.js';
import { guardReadOnly } from './read-only.js';
import { inTransaction } from './sql.js';
import { type ConnectTo, type DatabaseAccess, readWanted, type WantedAccess } from './wanted.js';

export type { ConnectTo, WantedAccess } from './wanted.js';

export interface ApplyResult {
  /** Roles that nobody can use any more, but whose objects other sessions hold locked: they go with a later call. */
  pending: string[];
}

// Any number will do; all callers of a server share it.
const LOCK = 7_216_543;

/**
 * Makes databases and tenants' roles exactly what is wanted, and grants what existing and future objects need. Sessions of other
 * tenants' roles end, what those roles owned goes to the database's owner, and the roles are dropped. Databases that are not listed are
 * left alone. Repeated calls change nothing; one call at a time runs, others wait up to 30 s.
 */
export async function applyRoles(connectTo: ConnectTo, wanted: WantedAccess): Promise<ApplyResult> {
  const databases = readWanted(wanted);
  const service = await connectTo('postgres');
  try {
    await service.query('select pg_advisory_lock($1)', [LOCK]);
    await lockServiceDatabases(service);
    const unwanted = await closeRoles(
      service,
      wanted.roles.map(({ name }) => name),
    );
    for (const database of databases) {
      await ensureDatabase(service, database.name);
      await withDatabase(connectTo, database.name, (client) => applyDatabase(client, database, wanted.backendPassword));
    }
    return { pending: await dropRoles(service, connectTo, databases, unwanted) };
  } finally {
    await service.end();
  }
}

function applyDatabase(client: pg.Client, database: DatabaseAccess, backendPassword: string | null): Promise<void> {
  return inTransaction(client, async () => {
    await ensureRoles(client, database, backendPassword);
    await guardReadOnly(client, database);
    await grantAccess(client, database);
  });
}

async function withDatabase(
  connectTo: ConnectTo,
  name: string,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = await connectTo(name);
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
