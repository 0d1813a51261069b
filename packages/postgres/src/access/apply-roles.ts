import type pg from 'pg';
import { refuseDeniedExtensions } from '../extensions/guard.js';
import { openExtensions } from '../extensions/open.js';
import { isRestricted, liftRestriction, restrict } from '../restriction/restrict.js';
import { hideNeighbours } from '../tenants/hide-neighbours.js';
import { ensureDatabase, lockServiceDatabases } from './databases.js';
import { closeRoles, dropRoles, LOCK_NOT_AVAILABLE } from './drop-roles.js';
import { grantAccess } from './grants.js';
import { ensureRoles } from './login-roles.js';
import { guardReadOnly, guardWritingFunctions } from './read-only.js';
import { inTransaction, withAccessLock, withDatabase } from './sql.js';
import { type ConnectTo, type DatabaseAccess, readWanted, type WantedAccess } from './wanted.js';

export type { ConnectTo, WantedAccess } from './wanted.js';

export interface ApplyResult {
  /**
   * Roles that nobody can use any more, but whose objects other sessions hold locked, and databases of a shared server whose tenant
   * does that: a later call sees to them.
   */
  pending: string[];
}

/** Names of databases that earlier calls applied, each with the description they applied; to be kept by the caller. */
export type AppliedDatabases = Map<string, string>;

/**
 * Makes databases and tenants' roles exactly what is wanted, and grants what existing and future objects need. Sessions of other
 * tenants' roles end, what those roles owned goes to the database's owner, and the roles are dropped. Databases that are not listed
 * are left alone, and roles with rights in them are kept, closed. Databases that `applied` describes as they are wanted are not
 * looked at. Repeated calls change nothing; one call at a time runs, others wait up to 30 s.
 */
export async function applyRoles(
  connectTo: ConnectTo,
  wanted: WantedAccess,
  applied: AppliedDatabases = new Map(),
): Promise<ApplyResult> {
  const databases = readWanted(wanted);
  return withAccessLock(connectTo, async (service) => {
    await lockServiceDatabases(service);
    const unwanted = await closeRoles(
      service,
      wanted.roles.map(({ name }) => name),
    );
    forgetOthers(applied, databases);
    const locked: string[] = [];
    for (const database of databases) {
      const description = JSON.stringify([database, wanted.backendPassword]);
      if (applied.get(database.name) === description) continue;
      applied.delete(database.name);
      await ensureDatabase(service, database);
      const done = await withDatabase(connectTo, database.name, (client) =>
        applyDatabase(service, client, database, wanted.backendPassword),
      );
      if (done) applied.set(database.name, description);
      else locked.push(database.name);
    }
    return { pending: [...locked, ...(await dropRoles(service, connectTo, databases, unwanted))] };
  });
}

/** A database that was dropped meanwhile must be made anew when it is wanted again. */
function forgetOthers(applied: AppliedDatabases, databases: readonly DatabaseAccess[]): void {
  const names = new Set(databases.map(({ name }) => name));
  for (const name of applied.keys()) if (!names.has(name)) applied.delete(name);
}

/** False when its tenant keeps it from being done by locks. */
async function applyDatabase(
  service: pg.Client,
  client: pg.Client,
  database: DatabaseAccess,
  backendPassword: string | null,
): Promise<boolean> {
  if (!database.restricted) await liftRestriction(service, client, database);
  const restricted = await isRestricted(service, client);
  const grant = () =>
    inTransaction(client, async () => {
      await ensureRoles(client, database, backendPassword);
      await guardReadOnly(client, database);
      await refuseDeniedExtensions(client);
      if (database.shared) await hideNeighbours(client);
      if (restricted) return;
      await guardWritingFunctions(client, database.owner);
      await grantAccess(client, database);
      await openExtensions(client, database);
    });
  const done =
    database.shared && !database.restricted ? await unlessLocked(client, grant) : await grant().then(() => true);
  if (database.restricted) await restrict(service, client, database);
  return done;
}

/** A tenant who holds what is his locked must not keep the others on the server from being applied. */
async function unlessLocked(client: pg.Client, work: () => Promise<void>): Promise<boolean> {
  await client.query(`set lock_timeout = '2s'`);
  try {
    await work();
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
    return false;
  }
}
