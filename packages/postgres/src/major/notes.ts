import type pg from 'pg';
import { withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';

/**
 * What a major upgrade has to know again after a crash. `identity`: a table's replica identity before it was widened. `schema`: the copy
 * of the schema is complete. `view`: the state of a materialized view whose rows were copied. `large-objects`: the moment since when
 * they may have changed.
 */
export type NoteKind = 'identity' | 'schema' | 'view' | 'large-objects';

/** Of those who make the place of the notes, in the service's own database. */
const LOCK = 7_315_002;

// In the service's own database: so it is in no tenant's dump, and goes with a physical copy of the server.
// Several databases are worked on at a time, and two at once could not make it.
const TABLE = `
  select pg_advisory_xact_lock(${LOCK});
  create schema if not exists major_upgrade;
  create table if not exists major_upgrade.notes (
    database name, kind text, name text, value text not null, primary key (database, kind, name))`;

/** The notes of one kind by the names of their objects. */
export async function readNotes(spec: ServerSpec, database: string, kind: NoteKind): Promise<Map<string, string>> {
  return withNotes(spec, async (client) => {
    const { rows } = await client.query<{ name: string; value: string }>(
      'select name, value from major_upgrade.notes where database = $1 and kind = $2',
      [database, kind],
    );
    return new Map(rows.map(({ name, value }) => [name, value]));
  });
}

/** Notes what was not noted before under these names; what was keeps its first value. */
export async function addNotes(spec: ServerSpec, database: string, kind: NoteKind, notes: Map<string, string>) {
  await write(spec, database, kind, notes, 'do nothing');
}

/** Notes these values, whatever was noted before under their names. */
export async function setNotes(spec: ServerSpec, database: string, kind: NoteKind, notes: Map<string, string>) {
  await write(spec, database, kind, notes, '(database, kind, name) do update set value = excluded.value');
}

async function write(spec: ServerSpec, database: string, kind: NoteKind, notes: Map<string, string>, again: string) {
  if (notes.size === 0) return;
  await withNotes(spec, (client) =>
    client.query(
      `insert into major_upgrade.notes select $1, $2, * from unnest($3::text[], $4::text[]) on conflict ${again}`,
      [database, kind, [...notes.keys()], [...notes.values()]],
    ),
  );
}

/** Forgets the notes of one kind, or all of a database. */
export async function dropNotes(spec: ServerSpec, database: string, kind: NoteKind | null): Promise<void> {
  await withNotes(spec, (client) =>
    client.query('delete from major_upgrade.notes where database = $1 and ($2::text is null or kind = $2)', [
      database,
      kind,
    ]),
  );
}

/** Removes the notes of all databases and the place that they are in. */
export async function dropAllNotes(spec: ServerSpec): Promise<void> {
  await withConnection(spec, 'postgres', (client) => client.query('drop schema if exists major_upgrade cascade'));
}

async function withNotes<T>(spec: ServerSpec, work: (client: pg.Client) => Promise<T>): Promise<T> {
  return withConnection(spec, 'postgres', async (client) => {
    await client.query(`set client_min_messages = warning; ${TABLE}`);
    return work(client);
  });
}
