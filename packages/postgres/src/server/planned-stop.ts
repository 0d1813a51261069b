import { withConnection } from './connection.js';
import type { ServerSpec } from './spec.js';

/**
 * Writes what is dirty while the server serves, so that its shutdown finds little left to write: twice, because the first takes so long
 * that much is dirty again.
 */
export async function writeAhead(spec: ServerSpec): Promise<void> {
  await withConnection(spec, 'postgres', async (client) => {
    await client.query('checkpoint');
    await client.query('checkpoint');
  });
}

/** PostgreSQL's own number of the release that the running server is of. */
export async function runningVersion(spec: ServerSpec): Promise<string> {
  return withConnection(spec, 'postgres', async (client) => {
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    // Debian's builds have more than the number in it.
    return rows[0]!.server_version.split(' ')[0]!;
  });
}

/** True when the running server is of the spec's release and nothing in its files, as it has last loaded them, waits for a restart. */
export async function runsBy(spec: ServerSpec): Promise<boolean> {
  if ((await runningVersion(spec)) !== spec.release.version) return false;
  return withConnection(spec, 'postgres', async (client) => {
    const { rows } = await client.query<{ pending: boolean }>(
      'select exists (select from pg_settings where pending_restart) as pending',
    );
    return !rows[0]!.pending;
  });
}

/** True while a client's transaction is open that began longer ago than so many seconds; those of the keeper's own programs count, too. */
export async function hasLongTransaction(spec: ServerSpec, seconds: number): Promise<boolean> {
  return withConnection(spec, 'postgres', async (client) => {
    const { rows } = await client.query<{ found: boolean }>(
      `select exists (select from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
         and xact_start < clock_timestamp() - make_interval(secs => $1)) as found`,
      [seconds],
    );
    return rows[0]!.found;
  });
}
