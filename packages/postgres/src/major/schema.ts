import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { startClient } from '../backups/client-program.js';
import type { ClientTools } from '../client-tools/tools.js';
import { withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';
import { complaintsOf } from './complaints.js';
import { emptyDatabase, isEmpty } from './empty.js';
import { copyExtensions } from './extensions.js';
import { type Loader, ownersIn, withLoader } from './loader.js';
import { readNotes, setNotes } from './notes.js';
import { openToApply } from './open-to-apply.js';
import { copyOwnership } from './ownership.js';

export interface SchemaCopy {
  /** Of the next major or newer. */
  tools: ClientTools;
  signal: AbortSignal;
}

/**
 * Makes everything that the old server's database defines in the next server's, which roles and databases have been applied to and which
 * takes passwords (`access: { method: 'scram' }`): with owners, rights and extensions, and no rows. Returns what the next major does
 * not take, a sentence each; then, and after a crash, a repeated call begins anew. After it has returned nothing it does nothing.
 */
export async function copySchema(
  old: ServerSpec,
  next: ServerSpec,
  database: string,
  { tools, signal }: SchemaCopy,
): Promise<string[]> {
  const state = (await readNotes(next, database, 'schema')).get(STATE);
  if (state === 'copied') return [];
  return withConnection(old, database, (from) =>
    withConnection(next, database, async (to) => {
      // Nothing that somebody may have put there by himself is ever removed.
      if (state === undefined && !(await isEmpty(to))) throw new Error(`BUG: the copy of "${database}" is in use`);
      await setNotes(next, database, 'schema', new Map([[STATE, 'begun']]));
      await emptyDatabase(from, to);
      const complaints = await copyExtensions(from, to);
      const premade = await schemasIn(to);
      const load = (loader: Loader) => loadSchema(old, next, database, { tools, signal }, loader);
      const said = await withLoader(next, database, await ownersIn(from), load);
      complaints.push(...complaintsOf(said, premade));
      // What is not there can be given to nobody.
      if (complaints.length === 0) complaints.push(...(await copyOwnership(from, to)));
      if (complaints.length > 0) return complaints;
      await openToApply(to);
      await setNotes(next, database, 'schema', new Map([[STATE, 'copied']]));
      return [];
    }),
  );
}

/** What `psql` says, as the loader's: what tenants have defined is loaded, and some of it may run. */
async function loadSchema(
  old: ServerSpec,
  next: ServerSpec,
  database: string,
  { tools, signal }: SchemaCopy,
  loader: Loader,
): Promise<string> {
  const dump = startClient(
    { tools, program: 'pg_dump', server: old, role: old.superuser, database, args: DUMPED, signal },
    ['ignore', 'pipe', 'pipe'],
  );
  const load = startClient(
    { tools, program: 'psql', server: next, role: loader, database, args: ['-X', '-q', '-b', '-f', '-'], signal },
    ['pipe', 'ignore', 'pipe'],
  );
  // Whichever ends early, the other ends, too; what they say counts.
  await pipeline(dump.child.stdout!, load.child.stdin!).catch(() => {});
  const [dumped, loaded] = await Promise.all([dump.ended, load.ended]);
  signal.throwIfAborted();
  if (dumped.status !== 0) throw new Error(`pg_dump of the schema of "${database}" failed: ${dumped.said.trim()}`);
  if (loaded.status !== 0) throw new Error(`psql could not load the schema of "${database}": ${loaded.said.trim()}`);
  return loaded.said;
}

const STATE = 'state';

/** As a dump writes their names. */
async function schemasIn(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>('select quote_ident(nspname) as name from pg_namespace');
  return rows.map(({ name }) => name);
}

const DUMPED = [
  '--schema-only',
  '--no-subscriptions',
  '--no-security-labels',
  '--no-tablespaces',
  '--lock-wait-timeout=30s',
];
