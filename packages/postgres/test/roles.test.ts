import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyRoles, connect } from '../src/index.js';
import { type TemporaryServer, temporaryServer } from '../src/testing.js';
import { as, logIn, majors } from './support.js';

const DB = 'tenant_db';
const OWNER = 'app_rw_a';
const ROLES = [OWNER, 'app_ro_a', 'p_rw_b', 'p_ro_b', 'di_rw_c', 'di_ro_c'];
// What a determined reader says first.
const FORCE = 'set default_transaction_read_only = off; begin; set transaction read write;';
const READERS = ['app_ro_a', 'p_ro_b', 'di_ro_c'];

function wanted(roles: string[] = ROLES, backendPassword: string | null = null) {
  const all = [...roles.map((name) => ({ name, database: DB })), { name: 'app_rw_other', database: 'other_db' }];
  return {
    databases: [
      { name: DB, owner: OWNER },
      { name: 'other_db', owner: 'app_rw_other' },
    ],
    roles: all,
    backendPassword,
  };
}

describe.each(majors)('roles of PostgreSQL %s', (major) => {
  let server: TemporaryServer;
  const run = (role: string, sql: string) => as(server.spec, role, DB, sql);
  const refused = (role: string, sql: string) =>
    expect(run(role, sql), `${role}: ${sql}`).rejects.toThrow(/permission denied|must be (owner|superuser)/);
  const superuser = async (sql: string, database = DB) => {
    const client = await connect(server.spec, database);
    try {
      return await client.query(sql);
    } finally {
      await client.end();
    }
  };

  beforeAll(async () => {
    server = await temporaryServer(major);
    await server.setAccess(wanted());
  });
  afterAll(() => server.remove());

  it('lets the app make what it likes and readers read it at once', async () => {
    await run(OWNER, `create table t (id serial primary key, v text); insert into t (v) values ('one')`);
    await run(OWNER, 'create schema s; create table s.u (n int); create materialized view mv as select 1 as one');
    for (const role of READERS) {
      expect((await run(role, 'select v from t')).rows).toEqual([{ v: 'one' }]);
      await run(role, 'select * from s.u; select * from mv; select last_value from t_id_seq');
    }
  });

  it('lets no reader write by any statement', async () => {
    await run(OWNER, `select lo_from_bytea(4711, 'x'); grant select on large object 4711 to public`);
    const writes = [
      `insert into t (v) values ('two')`,
      `update t set v = ''`,
      'delete from t',
      'truncate t',
      `select nextval('t_id_seq')`,
      `select setval('t_id_seq', 99)`,
      'create table mine (n int)',
      'create schema mine',
      'create table s.mine (n int)',
      'select * from t for update',
      'drop table t',
      'alter table t add w int',
      'lock table t',
      'refresh materialized view mv',
      'select lo_create(0)',
      'select lo_creat(-1)',
      `select lo_from_bytea(0, 'x')`,
      `select lo_put(4711, 0, 'y')`,
      'select lo_unlink(4711)',
      "select lowrite(lo_open(4711, 131072), 'y')",
      'select lo_truncate(lo_open(4711, 131072), 0)',
      'select lo_truncate64(lo_open(4711, 131072), 0)',
      `select lo_import('/etc/passwd')`,
      `select pg_logical_emit_message(false, 'a', 'b')`,
      `select pg_logical_emit_message(true, 'a', 'b'::bytea)`,
      `select pg_create_physical_replication_slot('s')`,
      `select pg_import_system_collations('pg_catalog')`,
      `set role ${OWNER}`,
      "copy t from program 'echo 1'",
    ];
    for (const sql of writes) {
      for (const role of READERS) await refused(role, FORCE + sql);
    }
  });

  it('lets writers go on with large objects and messages', async () => {
    for (const role of [OWNER, 'p_rw_b', 'di_rw_c']) {
      await run(role, `select lo_from_bytea(0, 'x'), pg_logical_emit_message(false, 'a', 'b')`);
    }
  });

  it('lets all writers and readers use at once a large object that a person makes', async () => {
    await run('p_rw_b', `select lo_from_bytea(900, 'one')`);
    for (const role of ROLES)
      expect((await run(role, `select convert_from(lo_get(900), 'UTF8') as text`)).rows).toEqual([{ text: 'one' }]);
    for (const role of READERS) await refused(role, `${FORCE} select lo_unlink(900)`);
    await refused(OWNER, 'set lo_compat_privileges = off');
    await run(OWNER, `select lo_put(900, 0, 'two'), lo_unlink(900)`);
  });

  it('lets the app and readers use at once what a person makes', async () => {
    await run(
      'p_rw_b',
      'create table made (n int); insert into made values (1); create schema ps; create table ps.x (n int)',
    );
    await run('di_rw_c', 'create table loaded as select 1 as n');
    await run(
      OWNER,
      'insert into made values (2); delete from loaded; insert into ps.x values (1); create table ps.y (n int)',
    );
    expect((await run('app_ro_a', 'select count(*) from made, ps.x')).rows).toEqual([{ count: '2' }]);
    await refused(OWNER, 'alter table made add w int');
    await run('p_rw_b', `reassign owned by current_user to ${OWNER}`);
    await run(OWNER, 'alter table made add w int; drop table ps.x; drop schema ps cascade');
    await run('p_ro_b', 'select w from made');
  });

  it('keeps the roles of one database out of all others', async () => {
    for (const database of ['other_db', 'postgres', 'template1']) {
      for (const role of ROLES)
        await expect(as(server.spec, role, database, 'select 1')).rejects.toThrow(/permission denied for database/);
    }
  });

  it('takes back what would let readers write, and gives back what they should read', async () => {
    await run(OWNER, `create table open (a int, b int); grant all on open to public; grant update (v) on t to public`);
    await run(
      OWNER,
      `grant all on schema s to public; grant usage on sequence t_id_seq to di_ro_c; create table closed (n int)`,
    );
    await run(
      OWNER,
      'alter default privileges grant insert on tables to public; revoke all on closed from readers_tenant_db',
    );
    await run(OWNER, 'alter default privileges in schema s grant usage on sequences to app_ro_a');
    await run('di_ro_c', `${FORCE} create table s.planted (n int); commit`);
    await server.setAccess(wanted());
    await run(OWNER, 'create table s.later (id serial)');
    for (const sql of [
      'insert into open values (1)',
      `update t set v = ''`,
      'create table s.again (n int)',
      `select nextval('t_id_seq')`,
      'insert into s.planted values (1)',
      'insert into s.later default values',
    ]) {
      await refused('di_ro_c', FORCE + sql);
    }
    await run('app_ro_a', 'select * from closed; select * from open; select * from s.planted');
  });

  it('takes powers and memberships from roles that got them, and changes nothing when all is right', async () => {
    await superuser(
      `alter role di_ro_c createrole createdb replication bypassrls password 'x' valid until '2001-01-01' nologin`,
    );
    await superuser(
      `grant ${OWNER} to p_ro_b with admin option; grant app_rw_other to p_rw_b; grant pg_read_all_settings to ${OWNER}`,
    );
    await server.setAccess(wanted());
    const state = `select rolname, rolcreaterole, rolpassword, rolcanlogin, rolvaliduntil,
      array(select g.rolname::text from pg_auth_members m join pg_roles g on g.oid = roleid where member = a.oid) as groups, xmin
      from pg_authid a where rolname ~ '^(app|p|di)_|^readers_' order by rolname`;
    const { rows } = await superuser(state);
    const groups = Object.fromEntries(rows.map((row) => [row.rolname, row.groups]));
    expect(groups).toMatchObject({ [OWNER]: [], p_ro_b: ['readers_tenant_db'], p_rw_b: [OWNER], app_rw_other: [] });
    expect(rows.find((row) => row.rolname === 'di_ro_c')).toMatchObject({
      rolcreaterole: false,
      rolpassword: null,
      rolcanlogin: true,
    });
    const acls = `select array_agg(xmin::text order by oid) from pg_class union all select array_agg(xmin::text order by oid) from pg_namespace
      union all select array_agg(xmin::text order by oid) from pg_proc union all select array_agg(xmin::text order by oid) from pg_database`;
    const before = (await superuser(acls)).rows;
    await server.setAccess(wanted());
    expect((await superuser(acls)).rows).toEqual(before);
    expect((await superuser(state)).rows).toEqual(rows);
  });

  it('ends and removes roles that are not wanted any more, and keeps what they made', async () => {
    await run(
      'p_rw_b',
      "create table kept as select 42 as n; create schema kept_s; create function f() returns int language sql as 'select 1'",
    );
    await run(
      'p_rw_b',
      `select lo_from_bytea(815, 'x'); create type mood as enum ('ok'); grant select on kept to p_ro_b`,
    );
    const session = await logIn(server.spec, 'p_rw_b', DB);
    const ended = expect(session.query('select pg_sleep(600)')).rejects.toThrow();
    await server.setAccess(wanted(ROLES.filter((role) => role !== 'p_rw_b' && role !== 'p_ro_b')));
    await ended;
    await session.end().catch(() => {});
    await expect(run('p_rw_b', 'select 1')).rejects.toThrow();
    expect((await superuser(`select rolname from pg_roles where rolname ~ '_b$'`)).rows).toEqual([]);
    await run(
      OWNER,
      'alter table kept add w int; drop schema kept_s; drop function f(); drop type mood; select lo_unlink(815)',
    );
    expect((await run('app_ro_a', 'select n from kept')).rows).toEqual([{ n: 42 }]);
  });

  it('closes a role at once and drops it later when its objects are locked', async () => {
    await server.setAccess(wanted([...ROLES, 'p_rw_d']));
    await run('p_rw_d', 'create table held (n int)');
    const holder = await logIn(server.spec, OWNER, DB);
    await holder.query('begin; select * from held');
    const session = await logIn(server.spec, 'p_rw_d', DB);
    const ended = expect(session.query('select pg_sleep(600)')).rejects.toThrow();
    const client = (database: string) => connect(server.spec, database);
    expect(await applyRoles(client, wanted())).toEqual({ pending: ['p_rw_d'] });
    await ended;
    await session.end().catch(() => {});
    await expect(run('p_rw_d', 'select 1')).rejects.toThrow();
    await holder.end();
    expect(await applyRoles(client, wanted())).toEqual({ pending: [] });
    await run(OWNER, 'drop table held');
  });

  it('keeps the log free of what tenants send', async () => {
    await run(OWNER, `do $$ begin raise log 'flood-me'; end $$`);
    await expect(run(OWNER, `select 'secret-of-a-tenant'::int`)).rejects.toThrow(/invalid input syntax/);
    await expect(run(OWNER, `set log_min_messages = 'log'`)).rejects.toThrow(/permission denied/);
    await run(OWNER, `alter role ${OWNER} reset all; do $$ begin raise log 'flood-me'; end $$`);
    expect(await readFile(server.spec.logFile, 'utf8')).not.toMatch(/flood-me|secret-of-a-tenant/);
  });

  it('gives every role the backend password under scram', async () => {
    server.spec.access = { method: 'scram' };
    await server.setAccess(wanted(ROLES, 'backend-password'));
    const client = await logIn(server.spec, OWNER, DB, 'backend-password');
    expect((await client.query('select current_user::text as me')).rows).toEqual([{ me: OWNER }]);
    await client.end();
    await expect(logIn(server.spec, OWNER, DB, 'wrong')).rejects.toThrow(/password authentication failed/);
    const stored = `select rolname, rolpassword from pg_authid where rolpassword is not null order by 1`;
    const before = (await superuser(stored)).rows;
    await server.setAccess(wanted(ROLES, 'backend-password'));
    expect((await superuser(stored)).rows).toEqual(before);
  });
});
