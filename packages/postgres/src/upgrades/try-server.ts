import { troublesInLog } from '../backups/restored.js';
import { checkIndexes } from '../backups/scratch-server.js';
import { withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';
import { startServer } from '../server/start.js';

const START_SECONDS = 600;
const SILENT_SECONDS = 30;
const NO_FAULT = /No space left|Disk quota|Cannot allocate memory|out of memory|Too many open files/i;

/** True for a failed start whose reason lies in the machine. */
export function isMachinesFault(error: unknown): boolean {
  return error instanceof Error && NO_FAULT.test(error.message);
}

/**
 * Starts the server on data that is thrown away afterwards and reads all of it: the rows of every table, every B-tree index against its
 * table, and what it writes to its log (`SCRATCH_SETTINGS`). Null, or what is wrong in a sentence; throws when it could not be tried.
 */
export async function tryServer(spec: ServerSpec, signal: AbortSignal): Promise<string | null> {
  try {
    await startServer(spec, { seconds: START_SECONDS, silentSeconds: SILENT_SECONDS });
  } catch (error) {
    if (isMachinesFault(error)) throw error;
    return 'it does not start';
  }
  for (const database of await databasesOf(spec)) {
    signal.throwIfAborted();
    const wrong = await readDatabase(spec, database, signal);
    if (wrong !== null) return wrong;
  }
  const [trouble] = await troublesInLog(spec.logFile);
  return trouble === undefined ? null : `its log has errors (${trouble})`;
}

async function databasesOf(spec: ServerSpec): Promise<string[]> {
  return withConnection(spec, 'postgres', async (client) => {
    const { rows } = await client.query<{ name: string }>(
      'select datname as name from pg_database where datallowconn order by datname',
    );
    return rows.map(({ name }) => name);
  });
}

async function readDatabase(spec: ServerSpec, database: string, signal: AbortSignal): Promise<string | null> {
  try {
    const hasCheck = await countRows(spec, database, signal);
    if (!hasCheck) return null;
    await allowExtensions(spec, database);
    await checkIndexes(spec, database, signal);
    return null;
  } catch (error) {
    const { code } = error as { code?: string };
    // Without a SQLSTATE it is no answer of the server's.
    if (signal.aborted || code === undefined || /^53/.test(code)) throw error;
    return /^XX00[12]$/.test(code) ? 'data or an index is damaged as it sees it' : `reading a table fails (${code})`;
  }
}

/** True when amcheck can be had. */
async function countRows(spec: ServerSpec, database: string, signal: AbortSignal): Promise<boolean> {
  return withConnection(spec, database, async (client) => {
    const { rows } = await client.query<{ name: string }>(TABLES);
    for (const { name } of rows) {
      signal.throwIfAborted();
      await client.query(`select count(*) from ${name}`);
    }
    const check = await client.query("select from pg_available_extensions where name = 'amcheck'");
    return (check.rowCount ?? 0) > 0;
  });
}

/** What keeps tenants from extensions that are not offered was copied, too. */
async function allowExtensions(spec: ServerSpec, database: string): Promise<void> {
  await withConnection(spec, database, async (client) => {
    const { rows } = await client.query<{ statement: string }>(
      "select format('alter event trigger %I disable', evtname) as statement from pg_event_trigger",
    );
    for (const { statement } of rows) await client.query(statement);
  });
}

const TABLES = `select format('only %I.%I', nspname, relname) as name
  from pg_class c join pg_namespace n on n.oid = relnamespace
  where relkind in ('r', 'm') and relispopulated and relpersistence <> 't' order by 1`;
