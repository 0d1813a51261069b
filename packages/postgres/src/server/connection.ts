import pg from 'pg';
import type { ServerSpec } from './spec.js';

/**
 * A connection as the superuser over the Unix socket; the caller ends it. Nothing of a tenant's can be called by an
 * unqualified name, and no statement waits longer than 30 s for a lock.
 */
export async function connect(spec: ServerSpec, database = 'postgres'): Promise<pg.Client> {
  const client = new pg.Client({
    host: spec.socketDirectory,
    port: spec.port,
    user: spec.superuser.name,
    password: spec.superuser.password,
    database,
    ssl: false,
    application_name: 'borealis',
    options: '-c search_path=pg_catalog,pg_temp -c lock_timeout=30s -c default_transaction_read_only=off',
    connectionTimeoutMillis: 10_000,
  });
  // A server that dies says so through the next query; an unheard event would end this process.
  client.on('error', () => {});
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
  return client;
}

/** Runs `work` on a connection that is ended afterwards. */
export async function withConnection<T>(
  spec: ServerSpec,
  database: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connect(spec, database);
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Bytes on disk of each database that tenants may have. */
export async function databaseSizes(client: pg.Client): Promise<Record<string, number>> {
  const { rows } = await client.query<{ name: string; bytes: string }>(
    `select datname as name, pg_database_size(oid) as bytes from pg_database
     where not datistemplate and datname <> 'postgres' order by datname`,
  );
  return Object.fromEntries(rows.map(({ name, bytes }) => [name, Number(bytes)]));
}
