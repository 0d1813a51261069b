import pg from 'pg';
import { runPlanned } from './sql.js';

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
export async function ensureDatabase(service: pg.Client, name: string): Promise<void> {
  const open = await acceptsConnections(service, name);
  if (open === null) await service.query(`create database ${escapeIdentifier(name)} allow_connections false`);
  await runPlanned(service, CLOSE_TO_PUBLIC, [[name]]);
  if (!open) await service.query(`alter database ${escapeIdentifier(name)} allow_connections true`);
}

async function acceptsConnections(service: pg.Client, name: string): Promise<boolean | null> {
  const { rows } = await service.query<{ open: boolean }>(
    'select datallowconn as open from pg_database where datname = $1',
    [name],
  );
  return rows[0]?.open ?? null;
}
