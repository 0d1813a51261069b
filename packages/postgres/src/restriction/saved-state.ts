import type pg from 'pg';

/**
 * How far the restriction of a database has come. `locking`: everything is being saved and locked; `locked`: all of it is;
 * `lifting`: all of it is being given back. No phase at all: it is not restricted.
 */
export type Phase = 'locking' | 'locked' | 'lifting';

/** What a relation or schema was before it was locked. Roles are OIDs, which outlive a rename and a physical copy. */
export interface SavedObject {
  kind: 'relation' | 'schema';
  object: number;
  owner: number;
  rights: SavedRight[];
  /** How row security was kept as it was for the former owner; null where there was nothing to do. */
  policies: SavedPolicies | null;
}

export interface SavedRight {
  /** 0: of the whole object, else of a column. */
  attnum: number;
  grantee: number;
  grantor: number;
  privilege: string;
  grantable: boolean;
}

export interface SavedPolicies {
  /** The policy that the lock made. */
  made: string;
  /** Policies whose roles it changed, as they were. */
  restrictive: { name: string; roles: number[] }[];
}

// In the service's own database: so it goes with a physical copy of the server, and no tenant's dump has to read it.
const TABLES = `
  create schema if not exists restriction;
  create table if not exists restriction.databases (
    database oid primary key,
    phase text not null check (phase in ('locking', 'locked', 'lifting')));
  create table if not exists restriction.objects (
    database oid references restriction.databases on delete cascade,
    kind text,
    object oid,
    owner oid not null,
    rights jsonb not null,
    policies jsonb,
    primary key (database, kind, object))`;

/** The phase that the restriction of a database is in; null when it is not restricted. */
export async function readPhase(service: pg.Client, database: number): Promise<Phase | null> {
  const { rows } = await service.query<{ there: boolean }>(
    `select to_regclass('restriction.databases') is not null as there`,
  );
  if (!rows[0]?.there) return null;
  const found = await service.query<{ phase: Phase }>('select phase from restriction.databases where database = $1', [
    database,
  ]);
  return found.rows[0]?.phase ?? null;
}

/** Notes that a restriction begins, and forgets databases that are gone. */
export async function beginRestriction(service: pg.Client, database: number): Promise<void> {
  await service.query(TABLES);
  await service.query('delete from restriction.databases where database not in (select oid from pg_database)');
  await service.query(`insert into restriction.databases values ($1, 'locking') on conflict do nothing`, [database]);
}

export async function setPhase(service: pg.Client, database: number, phase: Phase): Promise<void> {
  await service.query('update restriction.databases set phase = $2 where database = $1', [database, phase]);
}

/** Keeps what was never locked before as it is now; what was keeps its first state. */
export async function saveObjects(service: pg.Client, database: number, objects: SavedObject[]): Promise<void> {
  await service.query(
    `insert into restriction.objects (database, kind, object, owner, rights, policies)
     select $1, o.* from jsonb_to_recordset($2) as o (kind text, object oid, owner oid, rights jsonb, policies jsonb)
     on conflict do nothing`,
    [database, JSON.stringify(objects)],
  );
}

const PAGE = 200;

/** Everything that was saved, in pages. */
export async function* readObjects(service: pg.Client, database: number): AsyncGenerator<SavedObject[]> {
  let last: Pick<SavedObject, 'kind' | 'object'> = { kind: 'relation', object: 0 };
  for (;;) {
    const { rows } = await service.query<SavedObject>(
      `select kind, object::int8::float8 as object, owner::int8::float8 as owner, rights, policies from restriction.objects
       where database = $1 and (kind, object) > ($2, $3) order by kind, object limit ${PAGE}`,
      [database, last.kind, last.object],
    );
    if (rows.length === 0) return;
    yield rows;
    last = rows.at(-1)!;
  }
}

/** Forgets what was saved, but not yet that the database was restricted. */
export async function forgetObjects(service: pg.Client, database: number): Promise<void> {
  await service.query('delete from restriction.objects where database = $1', [database]);
}

export async function endRestriction(service: pg.Client, database: number): Promise<void> {
  await service.query('delete from restriction.databases where database = $1', [database]);
}
