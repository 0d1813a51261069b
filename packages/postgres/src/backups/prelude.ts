import type pg from 'pg';
import { type InstalledExtension, installedExtensions } from '../extensions/catalogue.js';

/** What a dump names and does not make for a role that is no superuser. */
export interface Prelude {
  extensions: readonly InstalledExtension[];
  roles: readonly string[];
}

/** Reads it from the database that is dumped. */
export async function readPrelude(client: pg.Client): Promise<Prelude> {
  const { rows } = await client.query<{ name: string }>(
    'select distinct rolname as name from pg_policy join pg_roles r on r.oid = any (polroles) order by 1',
  );
  return { extensions: await installedExtensions(client), roles: rows.map(({ name }) => name) };
}
