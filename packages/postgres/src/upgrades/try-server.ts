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
  return (await examineServer(spec, signal)).wrong;
}

/** What was read of a server. */
export interface Examination {
  /** Null, or what is wrong in a sentence: then nothing after it was read. */
  wrong: string | null;
  databases: number;
  /** Tables and materialized views, and the rows in them. */
  tables: number;
  rows: number;
  /** Those that were compared with their tables. */
  indexes: number;
}

/**
 * Reads everything in a running server that is thrown away afterwards (`SCRATCH_SETTINGS`): every page of every table and of the long values
 * beside it, every B-tree index against its table, and what it wrote to its log. Throws when it could not be tried.
 */
export async function examineServer(spec: ServerSpec, signal: AbortSignal): Promise<Examination> {
  const found: Examination = { wrong: null, databases: 0, tables: 0, rows: 0, indexes: 0 };
  for (const database of await databasesOf(spec)) {
    signal.throwIfAborted();
    found.wrong = await readDatabase(spec, database, found, signal);
    if (found.wrong !== null) return found;
    found.databases++;
  }
  const [trouble] = await troublesInLog(spec.logFile);
  if (trouble !== undefined) found.wrong = `its log has errors (${trouble})`;
  return found;
}

async function databasesOf(spec: ServerSpec): Promise<string[]> {
  return withConnection(spec, 'postgres', async (client) => {
    const { rows } = await client.query<{ name: string }>(
      'select datname as name from pg_database where datallowconn order by datname',
    );
    return rows.map(({ name }) => name);
  });
}

async function readDatabase(
  spec: ServerSpec,
  database: string,
  found: Examination,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    const hasCheck = await countRows(spec, database, found, signal);
    if (!hasCheck) return null;
    await allowExtensions(spec, database);
    found.indexes += await checkIndexes(spec, database, signal);
    return null;
  } catch (error) {
    const { code } = error as { code?: string };
    // Without a SQLSTATE it is no answer of the server's.
    if (signal.aborted || code === undefined || /^53/.test(code)) throw error;
    return /^XX00[12]$/.test(code) ? 'data or an index is damaged as it sees it' : `reading a table fails (${code})`;
  }
}

/** True when amcheck can be had. */
async function countRows(
  spec: ServerSpec,
  database: string,
  found: Examination,
  signal: AbortSignal,
): Promise<boolean> {
  return withConnection(spec, database, async (client) => {
    const { rows } = await client.query<{ name: string; counts: boolean }>(TABLES);
    for (const { name, counts } of rows) {
      signal.throwIfAborted();
      const all = await client.query<{ rows: string }>(`select count(*) as rows from ${name}`);
      if (!counts) continue;
      found.tables++;
      found.rows += Number(all.rows[0]!.rows);
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

const TABLES = `select format('only %I.%I', nspname, relname) as name, relkind <> 't' as counts
  from pg_class c join pg_namespace n on n.oid = relnamespace
  where relkind in ('r', 'm', 't') and relispopulated and relpersistence <> 't' order by 1`;
