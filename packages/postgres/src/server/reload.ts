import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { withConnection } from './connection.js';
import type { ServerSpec } from './spec.js';

const LIMIT_MS = 30_000;

/** Makes the running server take over its files; returns when new connections run by them. Throws when it found an error in one. */
export async function reload(spec: ServerSpec): Promise<void> {
  const before = await withConnection(spec, 'postgres', async (client) => {
    await checkFiles(client, spec.release.major);
    const loaded = await loadTime(client);
    await client.query('select pg_reload_conf()');
    return loaded;
  });
  const deadline = Date.now() + LIMIT_MS;
  // The postmaster loads them by itself; a connection made after that inherits the time at which it did.
  while ((await withConnection(spec, 'postgres', loadTime)) === before) {
    if (Date.now() > deadline) throw new Error('PostgreSQL did not take over its configuration within 30 s.');
    await sleep(20);
  }
}

async function loadTime(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ loaded: string }>('select pg_conf_load_time()::text as loaded');
  return rows[0]!.loaded;
}

/** Asks the server what it would make of the files: with an error in one it keeps the old rules and says so only in its log. */
async function checkFiles(client: pg.Client, major: string): Promise<void> {
  const views = Number(major) >= 15 ? ['pg_hba_file_rules', 'pg_ident_file_mappings'] : ['pg_hba_file_rules'];
  for (const view of views) {
    const { rows } = await client.query<{ line: number; error: string }>(
      `select line_number as line, error from ${view} where error is not null limit 1`,
    );
    if (rows[0]) throw new Error(`PostgreSQL finds an error in ${view}, line ${rows[0].line}: ${rows[0].error}`);
  }
  // A setting that only a restart can change "could not be applied" either, which is no error; of one that is not in the file any more,
  // as those of a recovery, the view does not even tell the name.
  const { rows } = await client.query<{ name: string; error: string }>(
    `select f.name, f.error from pg_file_settings f left join pg_settings s using (name)
     where f.error is not null and s.context is distinct from 'postmaster'
     and not (f.name is null and f.error ~ 'cannot be changed without restarting') limit 1`,
  );
  if (rows[0]) throw new Error(`PostgreSQL finds an error in the setting ${rows[0].name}: ${rows[0].error}`);
}
