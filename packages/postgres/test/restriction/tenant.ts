import type pg from 'pg';
import { connect } from '../../src/index.js';
import { type TemporaryServer, temporaryServer } from '../../src/testing.js';
import { as, logIn } from '../support.js';

export const DB = 'tenant_db';
export const OWNER = 'app_rw_a';
export const PERSON = 'p_rw_b';
export const READER = 'app_ro_a';
export const ROLES = [OWNER, READER, PERSON, 'p_ro_b', 'di_rw_c', 'di_ro_c'];

/** A server with one tenant who has made some of everything. */
export interface Tenant {
  server: TemporaryServer;
  run(role: string, sql: string): Promise<pg.QueryResult>;
  superuser(sql: string, database?: string): Promise<pg.QueryResult>;
  logIn(role: string): Promise<pg.Client>;
  restrict(roles?: string[]): Promise<void>;
  lift(roles?: string[]): Promise<void>;
}

export function wanted(restricted: boolean, roles: string[] = ROLES) {
  return {
    databases: [{ name: DB, owner: OWNER, restricted }],
    roles: roles.map((name) => ({ name, database: DB })),
    backendPassword: null,
  };
}

export async function makeTenant(major: string): Promise<Tenant> {
  const server = await temporaryServer(major);
  await server.setAccess(wanted(false));
  const run = (role: string, sql: string) => as(server.spec, role, DB, sql);
  await makeWorld((role) => logIn(server.spec, role, DB));
  await server.setAccess(wanted(false));
  return {
    server,
    run,
    superuser: async (sql, database = DB) => {
      const client = await connect(server.spec, database);
      try {
        return await client.query(sql);
      } finally {
        await client.end();
      }
    },
    logIn: (role) => logIn(server.spec, role, DB),
    restrict: (roles) => server.setAccess(wanted(true, roles)),
    lift: (roles) => server.setAccess(wanted(false, roles)),
  };
}

async function makeWorld(open: (role: string) => Promise<pg.Client>): Promise<void> {
  const clients = new Map<string, pg.Client>();
  for (const [role, sql] of WORLD) {
    const client = clients.get(role) ?? (await open(role));
    clients.set(role, client);
    await client.query(sql);
  }
  for (const client of clients.values()) await client.end();
}

/** Made in this order; every kind of object and right that a restriction has to keep. */
const WORLD: [string, string][] = [
  [OWNER, `create table t (id serial primary key, v text, w int); insert into t (v, w) values ('one', 1), ('two', 2)`],
  [
    OWNER,
    'create table big as select n, md5(n::text) as v from generate_series(1, 2000) as n; create index on big (v)',
  ],
  [
    OWNER,
    'create table ident (id int generated always as identity, v text); create unlogged table ul as select 7 as n',
  ],
  [OWNER, 'create schema s; create table s.u (n int); insert into s.u values (1); create sequence s.free start 5'],
  [
    OWNER,
    'create table part (n int) partition by range (n); create table part_1 partition of part for values from (0) to (9)',
  ],
  [OWNER, 'insert into part values (3); create table child (extra int) inherits (s.u)'],
  [
    OWNER,
    'create view vw as select * from t; create materialized view mv as select v from t; create index mvi on mv (v)',
  ],
  [OWNER, `create type mood as enum ('ok'); create domain positive as int check (value > 0)`],
  [OWNER, `select lo_from_bytea(4711, 'large'); grant select on large object 4711 to ${READER}, p_ro_b, di_ro_c`],
  [OWNER, `create function definer(text) returns void language plpgsql security definer as 'begin execute $1; end'`],
  [OWNER, `create function invoker(text) returns void language plpgsql as 'begin execute $1; end'`],
  [
    OWNER,
    `create function logs() returns trigger language plpgsql as 'begin insert into s.u values (99); return new; end'`,
  ],
  [OWNER, 'create trigger logs after insert on t for each row execute function logs()'],
  [OWNER, 'create rule also as on update to vw do also insert into s.u values (98)'],
  // Rights of all kinds, also such that were passed on.
  [
    OWNER,
    `grant all on t to public; grant update (n), select (v) on big to ${PERSON}; grant usage, create on schema s to ${PERSON}`,
  ],
  [OWNER, `grant insert, select on part to di_rw_c with grant option; revoke truncate on big from ${OWNER}`],
  [
    OWNER,
    `grant usage on sequence s.free to di_rw_c; alter default privileges in schema s grant insert on tables to ${PERSON}`,
  ],
  // Row security that the owner is above, one that forces him, and one with a policy that takes rows away.
  [
    OWNER,
    `create table rls (n int, who text); insert into rls values (1, 'a'), (2, 'b'); alter table rls enable row level security`,
  ],
  [
    OWNER,
    `create policy mine on rls using (who = current_setting('app.who', true)); create policy few on rls as restrictive using (n < 2)`,
  ],
  [OWNER, `create table forced (n int, who text); insert into forced values (1, 'a'), (2, 'b')`],
  [OWNER, 'alter table forced enable row level security; alter table forced force row level security'],
  [OWNER, `create policy mine on forced using (who = current_setting('app.who', true))`],
  [OWNER, 'create view over_rls as select * from rls'],
  [
    PERSON,
    `create table made (id serial, n int); insert into made (n) values (5); create schema ps; create table ps.x (n int)`,
  ],
  [
    PERSON,
    `grant insert, select on made to ${OWNER} with grant option; grant insert on made to di_rw_c; create view pv as select * from made`,
  ],
  [
    PERSON,
    `create function person_definer(text) returns void language plpgsql security definer as 'begin execute $1; end'`,
  ],
  ['di_rw_c', 'create table loaded as select 1 as n'],
];
