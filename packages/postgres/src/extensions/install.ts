import pg from 'pg';
import { inTransaction, withAccessLock, withDatabase } from '../access/sql.js';
import { type ConnectTo, readersGroupOf, type WantedDatabase } from '../access/wanted.js';
import { type InstalledExtension, installedExtensions, type OfferedExtension, offeredExtensions } from './catalogue.js';
import { denialOf, NEED_PRELOAD } from './denied.js';
import { ExtensionError, refuseRestricted } from './extension-error.js';
import { openExtensions } from './open.js';
import { ensureSchema, refuseOpenSchemas, schemaOf } from './schema.js';

const { escapeIdentifier } = pg;

/**
 * Installs an extension in a schema of its own, which every role of the database can use and none can write in, and puts it on the
 * database's search path; all of it or nothing. Throws `ExtensionError`: `conflict` for a restricted database, `unsupported`, `exists`,
 * `dependencies` with what is missing as details, or `busy`.
 */
export async function installExtension(
  connectTo: ConnectTo,
  database: WantedDatabase,
  name: string,
): Promise<InstalledExtension> {
  refuseRestricted(database);
  const place = { ...database, readersGroup: readersGroupOf(database.name) };
  return withAccessLock(connectTo, () =>
    withDatabase(connectTo, database.name, async (client) => {
      const extension = await findOffered(connectTo, client, name);
      return inTransaction(client, async () => {
        await refuseUnready(client, extension);
        await create(client, extension, database.owner);
        await openExtensions(client, place);
        return (await installedExtensions(client)).find((installed) => installed.name === name)!;
      });
    }),
  );
}

async function findOffered(connectTo: ConnectTo, client: pg.Client, name: string): Promise<OfferedExtension> {
  const found = (await offeredExtensions(connectTo, client)).find((extension) => extension.name === name);
  if (found) return found;
  if (name === 'plpgsql') throw new ExtensionError('exists', 'Every database has the extension "plpgsql".');
  const preload = NEED_PRELOAD.names.includes(name) ? NEED_PRELOAD.reason : null;
  const reason = denialOf(name) ?? preload ?? 'this PostgreSQL does not have it, or this machine cannot load it';
  throw new ExtensionError('unsupported', `The extension "${name}" is not offered: ${reason}.`);
}

async function refuseUnready(client: pg.Client, { name, requires, trusted }: OfferedExtension): Promise<void> {
  const installed = new Map((await installedExtensions(client)).map((extension) => [extension.name, extension]));
  const present = installed.get(name);
  if (present)
    throw new ExtensionError(
      'exists',
      `The extension "${name}" is installed already, in the schema "${present.schema}".`,
    );
  const missing = requires.filter((required) => !installed.has(required));
  if (missing.length > 0) {
    const sentence = `The extension "${name}" needs these to be installed first: ${missing.join(', ')}.`;
    throw new ExtensionError('dependencies', sentence, { details: missing });
  }
  if (!trusted) await refuseOpenSchemas(client, name, requires);
}

/** A trusted extension belongs to the database's owner, who can then restore a dump that comments on it or drops it first. */
async function create(client: pg.Client, extension: OfferedExtension, owner: string): Promise<void> {
  const schema = await ensureSchema(client, schemaOf(extension));
  if (extension.trusted) await client.query(`set local role ${escapeIdentifier(owner)}`);
  try {
    await client.query(`create extension ${escapeIdentifier(extension.name)} schema ${escapeIdentifier(schema)}`);
  } catch (error) {
    throw refusal(extension.name, error);
  }
  if (extension.trusted) await client.query('reset role');
}

const LOCK_NOT_AVAILABLE = '55P03';

function refusal(name: string, cause: unknown): unknown {
  // A lost connection, a full disk, a server that stops: nothing that is the extension's own.
  if (!(cause instanceof pg.DatabaseError) || /^(40|53|57)/.test(cause.code ?? '')) return cause;
  if (cause.code === LOCK_NOT_AVAILABLE)
    return new ExtensionError('busy', `Other sessions hold what "${name}" needs; try again later.`, { cause });
  const sentence = `PostgreSQL could not install the extension "${name}": ${cause.message}.`;
  return new ExtensionError('unsupported', sentence, { cause });
}
