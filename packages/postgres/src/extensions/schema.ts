import pg from 'pg';
import type { OfferedExtension } from './catalogue.js';
import { ExtensionError } from './extension-error.js';

const { escapeIdentifier } = pg;

/** The schema that an extension gets: its own name, where PostgreSQL does not keep such names for itself. */
export function schemaOf({ name, schema }: Pick<OfferedExtension, 'name' | 'schema'>): string {
  return schema ?? (name.startsWith('pg_') ? `ext_${name}` : name);
}

// What a tenant can create in is his: planted there, a function could be called in the superuser's name.
const CLOSED = `nspowner = current_user::regrole
  and not exists (select from aclexplode(nspacl) where privilege_type = 'CREATE' and grantee <> nspowner)`;

/** Adopts the superuser's schema of that name or creates it, and returns the name; throws `exists` for a tenant's own. */
export async function ensureSchema(client: pg.Client, name: string): Promise<string> {
  const { rows } = await client.query<{ closed: boolean }>(
    `select ${CLOSED} as closed from pg_namespace where nspname = $1`,
    [name],
  );
  if (rows[0]?.closed === false) {
    const sentence = `There is a schema "${name}" already, which the extension needs for itself; rename or drop it first.`;
    throw new ExtensionError('exists', sentence);
  }
  if (!rows[0]) await client.query(`create schema ${escapeIdentifier(name)}`);
  return name;
}

/** Refuses an extension whose script would run as the superuser over a tenant's schema: that of one it requires. */
export async function refuseOpenSchemas(client: pg.Client, name: string, requires: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ required: string; schema: string }>(
    `select extname as required, nspname as schema from pg_extension join pg_namespace n on n.oid = extnamespace
     where extname = any ($1) and not (${CLOSED})`,
    [requires],
  );
  if (!rows[0]) return;
  const { required, schema } = rows[0];
  const sentence = `The extension "${name}" needs "${required}" in a schema of its own, not in "${schema}"; remove and install that first.`;
  throw new ExtensionError('unsupported', sentence);
}

/** Drops a schema that was made for an extension, unless something else is in it by now. */
export async function dropEmptySchema(client: pg.Client, name: string): Promise<void> {
  const { rowCount } = await client.query(
    `select from pg_namespace n where nspname = $1 and nspname !~ '^pg_' and ${CLOSED} and not exists (
       select from pg_depend where refclassid = 'pg_namespace'::regclass and refobjid = n.oid)`,
    [name],
  );
  if (rowCount) await client.query(`drop schema ${escapeIdentifier(name)}`);
}
