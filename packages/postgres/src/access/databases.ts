import pg from 'pg';
import { runPlanned } from './sql.js';
import type { DatabaseAccess } from './wanted.js';

const { escapeIdentifier } = pg;

/** Takes every right that PUBLIC has on these databases, and nothing when it has none. */
const CLOSE_TO_PUBLIC = `
  select format('revoke all on database %I from public', datname) as statement
  from pg_database
  where datname = any ($1)
    and (datacl is null or exists (select from aclexplode(datacl) where grantee = 0))`;

/** Keeps tenants out of the databases that every server has. */
export async function lockServiceDatabases(service: pg.Client): Promise<void> {
  await runPlanned(service, CLOSE_TO_PUBLIC, [['postgres', 'template1']]);
}

/** Makes sure that a database is there and that nobody but its own roles can connect to it, from its first moment. */
export async function ensureDatabase(service: pg.Client, { name, shared }: DatabaseAccess): Promise<void> {
  const found = await findDatabase(service, name);
  const database = escapeIdentifier(name);
  if (!found) await service.query(`create database ${database} allow_connections false`);
  await runPlanned(service, CLOSE_TO_PUBLIC, [[name]]);
  const limit = shared?.connections ?? -1;
  if (found?.limit !== limit) await service.query(`alter database ${database} connection limit ${limit}`);
  if (!found?.open) await service.query(`alter database ${database} allow_connections true`);
}

async function findDatabase(service: pg.Client, name: string): Promise<{ open: boolean; limit: number } | undefined> {
  const { rows } = await service.query<{ open: boolean; limit: number }>(
    'select datallowconn as open, datconnlimit as limit from pg_database where datname = $1',
    [name],
  );
  return rows[0];
}
