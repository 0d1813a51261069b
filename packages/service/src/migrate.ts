import { readdir, readFile } from 'node:fs/promises';
import type { ControlDatabase, Transaction } from './database.js';

const FOLDER = new URL('../migrations/', import.meta.url);
const NAME = /^\d{4}_[a-z0-9_]+\.sql$/;

/** Any number that nothing else in this database locks. */
const LOCK = 5_274_001;

/**
 * Brings the control database to this version, each migration in one transaction with its own record. Starters that race wait for
 * each other; a database written by a newer version is refused.
 */
export async function migrate(db: ControlDatabase): Promise<void> {
  const files = (await readdir(FOLDER)).filter((file) => NAME.test(file)).sort();
  await db.transaction(async ({ client }) => {
    await client.query('select pg_advisory_xact_lock($1)', [LOCK]);
    await client.query(
      'create table if not exists migration (name text primary key, applied_at timestamptz not null default now())',
    );
    await client.query("comment on table migration is 'The numbered SQL files that have been run here.'");
  });
  for (const file of files) await db.transaction((tx) => runOnce(tx, file));
  await refuseNewer(db, files);
}

async function runOnce({ client }: Transaction, file: string): Promise<void> {
  await client.query('select pg_advisory_xact_lock($1)', [LOCK]);
  const added = await client.query('insert into migration (name) values ($1) on conflict do nothing', [file]);
  if (added.rowCount === 1) await client.query(await readFile(new URL(file, FOLDER), 'utf8'));
}

async function refuseNewer(db: ControlDatabase, files: string[]): Promise<void> {
  const { rows } = await db.pool.query<{ name: string }>('select name from migration where name <> all ($1)', [files]);
  if (rows.length > 0)
    throw new Error(
      `The control database was written by a newer version (${rows[0]!.name}); start that version or newer.`,
    );
}
