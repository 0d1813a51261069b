import type pg from 'pg';
import { withDatabase } from '../access/sql.js';
import type { ConnectTo } from '../access/wanted.js';
import { denialOf, NEED_PRELOAD } from './denied.js';
import { loadableExtensions } from './loadable.js';

/** An extension that can be installed. */
export interface OfferedExtension {
  name: string;
  version: string;
  /** Extensions that it needs first; all of them are offered, too. */
  requires: string[];
  /** The schema that it insists on; null when any will do. */
  schema: string | null;
  /** True when PostgreSQL lets a database's owner create it, too. */
  trusted: boolean;
}

export interface InstalledExtension {
  name: string;
  schema: string;
  version: string;
}

export interface ExtensionCatalogue {
  available: OfferedExtension[];
  installed: InstalledExtension[];
}

/** What this server offers and this database has. plpgsql, which every database has for good, is in neither list. */
export async function extensionCatalogue(connectTo: ConnectTo, database: string): Promise<ExtensionCatalogue> {
  return withDatabase(connectTo, database, async (client) => ({
    available: await offeredExtensions(connectTo, client),
    installed: await installedExtensions(client),
  }));
}

const AVAILABLE = `
  select v.name, v.version, coalesce(v.requires::text[], '{}') as requires, v.schema, v.superuser and v.trusted as trusted
  from pg_available_extensions a
    join pg_available_extension_versions v on v.name = a.name and v.version = a.default_version
  where v.name <> 'plpgsql' and (v.name <> all ($1)
    or v.name = any (string_to_array(replace(current_setting('shared_preload_libraries'), ' ', ''), ',')))
  order by v.name`;

/** What the server's release brings, without what is denied, needs something of that, or does not load on this machine. */
export async function offeredExtensions(connectTo: ConnectTo, client: pg.Client): Promise<OfferedExtension[]> {
  const { rows } = await client.query<OfferedExtension>(AVAILABLE, [NEED_PRELOAD.names]);
  const allowed = rows.filter(({ name }) => denialOf(name) === null);
  const loadable = await loadableExtensions(
    connectTo,
    allowed.map(({ name }) => name),
  );
  return withoutUnmet(allowed.filter(({ name }) => loadable.has(name)));
}

function withoutUnmet(extensions: OfferedExtension[]): OfferedExtension[] {
  const names = new Set(extensions.map(({ name }) => name));
  const met = extensions.filter(({ requires }) => requires.every((name) => names.has(name)));
  return met.length === extensions.length ? met : withoutUnmet(met);
}

/** The extensions of the database that `client` is connected to, by name. */
export async function installedExtensions(client: pg.Client): Promise<InstalledExtension[]> {
  const { rows } = await client.query<InstalledExtension>(
    `select extname as name, nspname as schema, extversion as version
     from pg_extension join pg_namespace n on n.oid = extnamespace where extname <> 'plpgsql' order by extname`,
  );
  return rows;
}
