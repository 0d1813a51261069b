import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { TENANT_ROLE_PATTERN } from '../server/spec.js';
import { inTransaction } from './sql.js';
import type { ConnectTo, DatabaseAccess } from './wanted.js';

const { escapeIdentifier } = pg;
const TERMINATION_MS = 15_000;

/** Lets nobody in as a tenant's role that is not in `wanted`, and ends its sessions; returns the names of such roles. */
export async function closeRoles(service: pg.Client, wanted: readonly string[]): Promise<string[]> {
  const { rows } = await service.query<{ name: string }>(
    'select rolname as name from pg_roles where rolname ~ $1 and rolname <> all ($2)',
    [TENANT_ROLE_PATTERN, wanted],
  );
  const unwanted = rows.map(({ name }) => name);
  for (const name of unwanted) await service.query(`alter role ${escapeIdentifier(name)} nologin`);
  await endSessions(service, unwanted);
  return unwanted;
}

async function endSessions(service: pg.Client, roles: readonly string[]): Promise<void> {
  const deadline = Date.now() + TERMINATION_MS;
  while (roles.length > 0) {
    const { rowCount } = await service.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where usename = any ($1)',
      [roles],
    );
    if (rowCount === 0) return;
    if (Date.now() > deadline) throw new Error(`Sessions of ${roles.join(', ')} do not end.`);
    await sleep(20);
  }
}

/**
 * Drops closed roles after giving what they own to the owner of its database; returns those whose objects are locked. Roles with
 * rights in a database that is not listed stay: they go with it.
 */
export async function dropRoles(
  service: pg.Client,
  connectTo: ConnectTo,
  databases: readonly DatabaseAccess[],
  roles: readonly string[],
): Promise<string[]> {
  const pending: string[] = [];
  for (const role of roles) {
    try {
      await dropRole(service, connectTo, databases, role);
    } catch (error) {
      if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
      pending.push(role);
    }
  }
  return pending;
}

export const LOCK_NOT_AVAILABLE = '55P03';

async function dropRole(
  service: pg.Client,
  connectTo: ConnectTo,
  databases: readonly DatabaseAccess[],
  role: string,
): Promise<void> {
  const names = await databasesOf(service, role);
  const listed = databases.filter(({ name }) => names.includes(name));
  if (listed.length < names.length) return;
  for (const database of listed) {
    const client = await connectTo(database.name);
    try {
      await inTransaction(client, () => handOver(client, role, database.owner));
    } finally {
      await client.end();
    }
  }
  // A login that was under way when the role was closed may have become a session since.
  await endSessions(service, [role]);
  await service.query(`drop owned by ${escapeIdentifier(role)}`);
  await service.query(`drop role ${escapeIdentifier(role)}`);
}

async function databasesOf(service: pg.Client, role: string): Promise<string[]> {
  const { rows } = await service.query<{ name: string }>(
    `select distinct datname as name from pg_shdepend join pg_database d on d.oid = dbid
     where refclassid = 'pg_authid'::regclass and refobjid = $1::regrole`,
    [escapeIdentifier(role)],
  );
  return rows.map(({ name }) => name);
}

async function handOver(client: pg.Client, role: string, owner: string): Promise<void> {
  // Others wait behind whoever waits for such a lock, so the wait is short; the role is closed already.
  await client.query(`set local lock_timeout = '2s'`);
  await client.query(`reassign owned by ${escapeIdentifier(role)} to ${escapeIdentifier(owner)}`);
  await client.query(`drop owned by ${escapeIdentifier(role)}`);
}
