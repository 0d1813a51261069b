import pg from 'pg';
import { guardWritingFunctions } from '../access/read-only.js';
import { inTransaction, runPlanned } from '../access/sql.js';
import type { DatabaseAccess } from '../access/wanted.js';
import { lockObjects } from './lock.js';
import { LOCK_ROLE } from './objects.js';
import { grantReading } from './reading.js';
import { allowDefinitions, refuseDefinitions } from './refusal.js';
import { beginRestriction, endRestriction, forgetObjects, readPhase, setPhase } from './saved-state.js';
import { endOldTransactions } from './sessions.js';
import { unlockObjects } from './unlock.js';

/** True while a database is restricted, also when that is only half done or half lifted. */
export async function isRestricted(service: pg.Client, client: pg.Client): Promise<boolean> {
  return (await readPhase(service, await databaseOid(client))) !== null;
}

/**
 * Lets every role of a database read and no more, whatever SQL it sends; `service` is connected to the service's own database, `client`
 * to this one. What was open before is saved first, in the service's database, so that `liftRestriction` can give it back. May be
 * repeated, also after a crash at any point, and then locks what became open meanwhile.
 */
export async function restrict(service: pg.Client, client: pg.Client, database: DatabaseAccess): Promise<void> {
  const oid = await databaseOid(client);
  if ((await readPhase(service, oid)) === 'lifting') await liftRestriction(service, client, database);
  await beginRestriction(service, oid);
  await ensureLockRole(service);
  await inTransaction(client, async () => {
    await refuseDefinitions(client);
    await runPlanned(client, REVOKE_CREATION, []);
    await guardWritingFunctions(client, null);
  });
  if ((await readPhase(service, oid)) === 'locking') await endOldTransactions(service, client, database.name);
  await lockObjects(service, client, database, oid);
  await inTransaction(client, () => grantReading(client, database));
  await setPhase(service, oid, 'locked');
}

/**
 * Gives back all that `restrict` took, except what `applyRoles` grants anyway; nothing happens where nothing is restricted. May be
 * repeated, also after a crash at any point.
 */
export async function liftRestriction(service: pg.Client, client: pg.Client, database: DatabaseAccess): Promise<void> {
  const oid = await databaseOid(client);
  if ((await readPhase(service, oid)) === null) return;
  await setPhase(service, oid, 'lifting');
  await unlockObjects(service, client, database, oid);
  // In this order: once tenants can change rights again, none may be put back a second time.
  await forgetObjects(service, oid);
  await inTransaction(client, () => allowDefinitions(client));
  await endRestriction(service, oid);
}

async function databaseOid(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ oid: number }>(
    'select oid::int8::float8 as oid from pg_database where datname = current_database()',
  );
  return rows[0]!.oid;
}

async function ensureLockRole(service: pg.Client): Promise<void> {
  const { rowCount } = await service.query('select from pg_roles where rolname = $1', [LOCK_ROLE]);
  if (!rowCount) await service.query(`create role ${pg.escapeIdentifier(LOCK_ROLE)} nologin`);
}

const REVOKE_CREATION = `
  select format('revoke create, temporary on database %I from %s', datname,
    string_agg(distinct case grantee when 0 then 'public' else grantee::regrole::text end, ', ')) as statement
  from pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
  where datname = current_database() and privilege_type in ('CREATE', 'TEMPORARY')
    and grantee not in (select oid from pg_roles where rolsuper)
  group by datname`;
