import pg from 'pg';
import { closeRoles, dropRoles } from './drop-roles.js';
import { withAccessLock } from './sql.js';
import { type ConnectTo, isTenantDatabase, readersGroupOf, readWanted, type WantedAccess } from './wanted.js';

const { escapeIdentifier } = pg;

/**
 * Drops a tenant's database with everything in it, ends its sessions, and drops its roles as far as they are not wanted. `wanted` is
 * asked while nobody else changes databases or roles, and throws where the database is to stay. Repeated calls change nothing.
 */
export async function dropDatabase(connectTo: ConnectTo, name: string, wanted: () => WantedAccess): Promise<void> {
  if (!isTenantDatabase(name)) throw new Error(`"${name}" cannot be a tenant's database.`);
  await withAccessLock(connectTo, async (service) => {
    const { databases, roles } = wanted();
    if (databases.some((database) => database.name === name)) throw new Error(`The database "${name}" is wanted.`);
    // First the roles, so that none of them is in again before the database is gone.
    const unwanted = await closeRoles(
      service,
      roles.map((role) => role.name),
    );
    await service.query(`drop database if exists ${escapeIdentifier(name)} with (force)`);
    await service.query(`drop role if exists ${escapeIdentifier(readersGroupOf(name))}`);
    await dropRoles(service, connectTo, readWanted(wanted()), unwanted);
  });
}
