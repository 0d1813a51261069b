import pg from 'pg';
import { inTransaction } from '../access/sql.js';

const { escapeIdentifier } = pg;

interface Installed {
  name: string;
  schema: string;
  /** Null: a superuser. */
  owner: string | null;
  schemaOwner: string | null;
}

// In the order in which they were made, each has what it needs.
const INSTALLED = `
  select extname as name, nspname as schema, o.rolname as owner, s.rolname as "schemaOwner"
  from pg_extension e join pg_namespace n on n.oid = extnamespace
    left join pg_roles o on o.oid = extowner and not o.rolsuper left join pg_roles s on s.oid = nspowner and not s.rolsuper
  where extname <> 'plpgsql' order by e.oid`;

/** Makes what the old database has of extensions, in the version that the next server brings; returns what it cannot have, a sentence each. */
export async function copyExtensions(old: pg.Client, next: pg.Client): Promise<string[]> {
  const { rows } = await old.query<Installed>(INSTALLED);
  const complaints: string[] = [];
  for (const extension of rows) {
    try {
      await inTransaction(next, () => create(next, extension));
    } catch (error) {
      // A lost connection or a full disk is nothing that is the extension's own.
      if (!(error instanceof pg.DatabaseError) || /^(40|53|57)/.test(error.code ?? '')) throw error;
      complaints.push(`The extension "${extension.name}" cannot be installed there: ${error.message}.`);
    }
  }
  return complaints;
}

async function create(next: pg.Client, { name, schema, owner, schemaOwner }: Installed): Promise<void> {
  const place = escapeIdentifier(schema);
  const whose = schemaOwner === null ? '' : ` authorization ${escapeIdentifier(schemaOwner)}`;
  if (!/^pg_/.test(schema)) await next.query(`create schema if not exists ${place}${whose}`);
  // There is no other way to give it its owner.
  if (owner !== null) await next.query(`set local role ${escapeIdentifier(owner)}`);
  await next.query(`create extension if not exists ${escapeIdentifier(name)} schema ${place}`);
}
