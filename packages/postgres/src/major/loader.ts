import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { runPlanned } from '../access/sql.js';
import { connect, withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';
import { loaderOf } from './names.js';

const { escapeIdentifier, escapeLiteral } = pg;

/** A role with the rights of everybody who owns something in a database, and no more. */
export interface Loader {
  name: string;
  password: string;
}

/**
 * Runs `work` with the loader of a database, which only exists as long as that and logs in with its password: the server must let
 * tenants' roles in by password, and have `owners` already.
 */
export async function withLoader<T>(
  spec: ServerSpec,
  database: string,
  owners: readonly string[],
  work: (loader: Loader) => Promise<T>,
): Promise<T> {
  if (spec.access.method !== 'scram') throw new Error('BUG: a server that is filled must take passwords');
  const loader = { name: loaderOf(database), password: randomBytes(24).toString('hex') };
  await dropLoader(spec, database);
  try {
    await withConnection(spec, database, async (client) => {
      const [name, secret] = [escapeIdentifier(loader.name), escapeLiteral(loader.password)];
      await client.query(`create role ${name} login bypassrls password ${secret}`);
      await client.query(`grant create, connect, temporary on database ${escapeIdentifier(database)} to ${name}`);
      for (const owner of owners) await client.query(`grant ${escapeIdentifier(owner)} to ${name}`);
    });
    return await work(loader);
  } finally {
    await dropLoader(spec, database);
  }
}

/** What it could not give to its owner belongs to the owner of the public schema then. */
async function dropLoader(spec: ServerSpec, database: string): Promise<void> {
  await withConnection(spec, database, (client) => runPlanned(client, DROP, [loaderOf(database)]));
}

const DROP = `
  select format(step, rolname, owner) as statement
  from pg_roles, (select coalesce((select nspowner from pg_namespace where nspname = 'public')::regrole::text, 'current_user') as owner) place,
    unnest(array['alter role %1$I nologin', 'reassign owned by %1$I to %2$s', 'drop owned by %1$I', 'drop role %1$I']) as step
  where rolname = $1`;

/** The roles, superusers apart, that own anything in the database. */
export async function ownersIn(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select distinct rolname as name from pg_shdepend join pg_roles r on r.oid = refobjid
     where refclassid = 'pg_authid'::regclass and deptype = 'o' and not rolsuper
       and dbid = (select oid from pg_database where datname = current_database())`,
  );
  return rows.map(({ name }) => name);
}

/** A session of the loader; the caller ends it. Nothing is found by an unqualified name but what is PostgreSQL's. */
export async function connectAs(spec: ServerSpec, database: string, { name, password }: Loader): Promise<pg.Client> {
  return connect({ ...spec, superuser: { name, password } }, database);
}
