import pg from 'pg';
import { inTransaction, withAccessLock, withDatabase } from '../access/sql.js';
import { type ConnectTo, readersGroupOf, type WantedDatabase } from '../access/wanted.js';
import { installedExtensions } from './catalogue.js';
import { ExtensionError, refuseRestricted } from './extension-error.js';
import { openExtensions } from './open.js';
import { dropEmptySchema } from './schema.js';

const { escapeIdentifier } = pg;

/**
 * Removes an extension, whoever created it, with the schema that was made for it; all of it or nothing. Throws `ExtensionError`:
 * `conflict` for a restricted database, `not_found`, `dependents` with what uses it as details, or `busy`.
 */
export async function removeExtension(connectTo: ConnectTo, database: WantedDatabase, name: string): Promise<void> {
  refuseRestricted(database);
  const place = { ...database, readersGroup: readersGroupOf(database.name) };
  await withAccessLock(connectTo, () =>
    withDatabase(connectTo, database.name, (client) =>
      inTransaction(client, async () => {
        const found = (await installedExtensions(client)).find((extension) => extension.name === name);
        if (!found) throw new ExtensionError('not_found', `The extension "${name}" is not installed.`);
        await drop(client, name);
        await dropEmptySchema(client, found.schema);
        await openExtensions(client, place);
      }),
    ),
  );
}

const DEPENDENT_OBJECTS = '2BP01';
const LOCK_NOT_AVAILABLE = '55P03';

async function drop(client: pg.Client, name: string): Promise<void> {
  try {
    await client.query(`drop extension ${escapeIdentifier(name)}`);
  } catch (error) {
    const cause = error as Error & { code?: string; detail?: string };
    if (cause.code === LOCK_NOT_AVAILABLE)
      throw new ExtensionError('busy', `Other sessions use the extension "${name}" now; try again later.`, { cause });
    if (cause.code !== DEPENDENT_OBJECTS) throw error;
    const details = dependentsIn(cause.detail ?? '');
    const sentence = `The extension "${name}" is needed by ${details.join(', ')}.`;
    throw new ExtensionError('dependents', sentence, { details, cause });
  }
}

/** PostgreSQL names each of them in a line of its own, the first hundred at most: `column v of table public.t depends on type …`. */
function dependentsIn(detail: string): string[] {
  return [...new Set(detail.split('\n').map((line) => line.replace(/ depends on .*$/, '')))];
}
