import type pg from 'pg';
import { withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';
import { UPGRADE } from './names.js';
import { addNotes, dropNotes, readNotes } from './notes.js';
import { withShortLocks } from './short-lock.js';

/**
 * Publishes all rows of these databases: tables without a key get all their columns as identity first, since PostgreSQL would refuse
 * tenants' own changes of what it cannot name; what they had is noted. To be called while their schema is guarded.
 * Throws 55P03 when a table stays locked by others for a minute.
 */
export async function prepareSource(spec: ServerSpec, databases: readonly string[]): Promise<void> {
  for (const database of databases)
    await withConnection(spec, database, async (client) => {
      await widenIdentities(spec, client, database);
      const { rowCount } = await client.query('select from pg_publication where pubname = $1', [UPGRADE]);
      if (!rowCount) await client.query(`create publication ${UPGRADE} for all tables`);
    });
}

/** Takes back what `prepareSource` did; no error where it did nothing, or only a part. */
export async function undoSource(spec: ServerSpec, databases: readonly string[]): Promise<void> {
  for (const database of databases)
    await withConnection(spec, database, async (client) => {
      // First: as long as it is there, tables without an identity cannot be changed.
      await client.query(`drop publication if exists ${UPGRADE}`);
      const noted = await readNotes(spec, database, 'identity');
      for (const [table, identity] of noted)
        await withShortLocks(client, `alter table if exists ${table} replica identity ${identity}`);
      await dropNotes(spec, database, 'identity');
    });
}

async function widenIdentities(spec: ServerSpec, client: pg.Client, database: string): Promise<void> {
  const { rows } = await client.query<{ name: string; identity: string }>(WITHOUT_KEY);
  await addNotes(spec, database, 'identity', new Map(rows.map(({ name, identity }) => [name, identity])));
  for (const { name } of rows) await withShortLocks(client, `alter table ${name} replica identity full`);
}

// A key that is deferrable names no row. One that is named and gone is as good as none.
const WITHOUT_KEY = `
  select format('%I.%I', nspname, relname) as name, case relreplident when 'd' then 'default' else 'nothing' end as identity
  from pg_class c join pg_namespace n on n.oid = relnamespace
  where relkind = 'r' and relpersistence = 'p' and c.oid >= 16384 and relreplident <> 'f' and nspname !~ '^pg_'
    and not exists (
      select from pg_index where indrelid = c.oid and indisvalid and indimmediate
        and case relreplident when 'd' then indisprimary when 'i' then indisreplident else false end)
  order by 1`;
