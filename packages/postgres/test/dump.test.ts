import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClientProgram } from '../src/index.js';
import { type TemporaryServer, temporaryServer } from '../src/testing.js';
import { clientTools } from './client-tools.js';
import { as, majors } from './support.js';

const ROLES = ['from_db', 'into_db'].flatMap((database) =>
  ['app_rw', 'app_ro', 'p_rw', 'p_ro'].map((kind) => ({ name: `${kind}_${database.slice(0, 4)}`, database })),
);
const ACCESS = {
  databases: [
    { name: 'from_db', owner: 'app_rw_from' },
    { name: 'into_db', owner: 'app_rw_into' },
  ],
  roles: ROLES,
  backendPassword: null,
};

describe.each(majors)('a dump of PostgreSQL %s', async (major) => {
  const tools = await clientTools(major);
  let server: TemporaryServer;
  let directory: string;

  function tool(name: ClientProgram, role: string, database: string, args: string[]) {
    const { socketDirectory, port } = server.spec;
    const [program, ...before] = tools!.command(name);
    const to = ['-h', socketDirectory, '-p', String(port), '-U', role, '-d', database];
    return spawnSync(program, [...before, ...to, ...args], { encoding: 'utf8' });
  }

  function dump(role: string, args: string[] = []): string {
    const { status, stdout, stderr } = tool('pg_dump', role, 'from_db', args);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return stdout;
  }

  /** What `pg_restore` complains about: from 17 on, that an older server has no such setting. */
  function restore(file: string, args: string[]): string[] {
    const { stderr } = tool('pg_restore', 'p_rw_into', 'into_db', [...args, file]);
    const complaints = stderr.split('\n').filter((line) => /(error|warning): /.test(line));
    return complaints.filter((line) => !/transaction_timeout|errors ignored on restore: 1$/.test(line));
  }

  const from = (role: string, sql: string) => as(server.spec, role, 'from_db', sql);
  const into = (role: string, sql: string) => as(server.spec, role, 'into_db', sql);

  beforeAll(async () => {
    if (!tools) return;
    directory = await mkdtemp(join(tmpdir(), 'bpgd-'));
    server = await temporaryServer(major);
    await server.setAccess(ACCESS);
    for (const sql of WORLD) await from('app_rw_from', sql);
  });
  afterAll(async () => {
    if (!tools) return;
    await server.remove();
    await rm(directory, { recursive: true });
  });

  it.skipIf(!tools)(
    `is taken by a reader, restored by a person, and then belongs to the app (needs pg_dump ${major})`,
    async () => {
      const file = join(directory, 'dump');
      expect(dump('p_ro_from')).not.toMatch(/FUNCTION pg_catalog|borealis/);
      dump('p_ro_from', ['-Fc', '-f', file]);
      expect(restore(file, ['--no-owner', '--no-acl'])).toEqual([]);
      await expect(into('app_rw_into', 'alter table t add w int')).rejects.toThrow(/must be owner/);
      expect((await into('app_ro_into', READS)).rows).toEqual((await from('app_ro_from', READS)).rows);
      await into('p_rw_into', 'reassign owned by current_user to app_rw_into');
      for (const sql of [...ALTERS, ...DROPS]) await into('app_rw_into', sql);
    },
  );

  it.skipIf(!tools)(
    `that brings rights of its own opens no function that writes (needs pg_dump ${major})`,
    async () => {
      const file = join(directory, 'rights');
      const before = await into('app_rw_into', 'select count(*) from pg_largeobject_metadata');
      const sql = `${WRITING.map((name) => `grant execute on function pg_catalog.${name} to public;`).join('\n')}
        grant all on all tables in schema public to public;`;
      dump('p_ro_from', ['-Fc', '-f', file]);
      for (const complaint of restore(file, ['--no-owner']))
        expect(complaint).toMatch(
          /permission denied to change default privileges|must be member of role|errors ignored/,
        );
      // `psql` goes on after what it may not do, as with a dump in plain text.
      const { stderr } = tool('psql', 'p_rw_into', 'into_db', ['-X', '-q', '-c', '\\set ON_ERROR_STOP off', '-c', sql]);
      expect(stderr).toMatch(/no privileges were granted|permission denied/);
      const calls = [
        `lo_create(0)`,
        `lo_from_bytea(0, 'x')`,
        `lo_unlink(4711)`,
        `pg_logical_emit_message(false, 'a', 'b')`,
      ];
      for (const role of ['app_ro_into', 'p_ro_into'])
        for (const call of calls)
          await expect(into(role, `${FORCE} select ${call}`)).rejects.toThrow(/permission denied for function/);
      await into('p_rw_into', 'select lo_unlink(4711)');
      expect((await into('app_rw_into', 'select count(*) from pg_largeobject_metadata')).rows).toEqual(before.rows);
      await server.setAccess(ACCESS);
      await expect(into('p_ro_into', `${FORCE} insert into t (v) values ('x')`)).rejects.toThrow(/permission denied/);
    },
  );

  it.skipIf(!tools)(
    `leaves the app all of it when the person goes without handing it over (needs pg_dump ${major})`,
    async () => {
      const access = (roles: typeof ROLES) => server.setAccess({ ...ACCESS, roles });
      await access(ROLES.filter(({ name }) => name !== 'p_rw_into'));
      for (const sql of [...ALTERS, ...DROPS.filter((drop) => !/lo_unlink/.test(drop))]) await into('app_rw_into', sql);
      await access(ROLES);
    },
  );
});

/** What a session of a reader may try. */
const FORCE = 'set default_transaction_read_only = off; begin; set transaction read write;';

const WRITING = [
  'lo_create(oid)',
  'lo_from_bytea(oid, bytea)',
  'lo_unlink(oid)',
  'pg_logical_emit_message(boolean, text, text)',
];

/** Some of everything that people have in a database. */
const WORLD = [
  'create extension hstore with schema public; create extension pg_trgm with schema public',
  `create type mood as enum ('ok', 'good'); create domain short as text check (length(value) < 9)`,
  `create table t (id serial primary key, v text, h hstore default 'a=>1', m mood default 'ok'); insert into t (v) values ('one'), ('two')`,
  'create index trigrams on t using gin (v gin_trgm_ops); create sequence free start 5; select nextval($$free$$)',
  `create schema s; create view s.w as select v, h -> 'a' as a from t; create materialized view s.mv as select count(*) from t`,
  `create function s.f() returns trigger language plpgsql as 'begin return new; end'; create trigger g before insert on t execute function s.f()`,
  `select lo_from_bytea(4711, 'large'); comment on table t is 'mine'`,
];

const READS = `
  select (select array_agg(t::text order by id) from t) as t, (select array_agg(w::text order by v) from s.w) as w, (select count from s.mv) as mv,
    (select last_value from free) as free, (select last_value from t_id_seq) as ids, convert_from(lo_get(4711), 'UTF8') as large,
    similarity('word', 'words') as similarity, obj_description('t'::regclass) as comment`;

const ALTERS = [
  'alter table t add w int; alter sequence free restart; alter view s.w rename to x; alter materialized view s.mv rename to y',
  `alter function s.f() cost 7; alter type mood add value 'bad'; alter domain short drop constraint short_check; alter schema s rename to r`,
  `alter extension hstore update; insert into t (v) values ('three')`,
];

const DROPS = [
  'drop schema r cascade; drop table t; drop sequence free; drop type mood; drop domain short',
  'drop extension hstore; drop extension pg_trgm',
  'select lo_unlink(4711)',
];
