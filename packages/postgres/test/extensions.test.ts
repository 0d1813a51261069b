import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  applyRoles,
  connect,
  type ExtensionError,
  extensionCatalogue,
  installExtension,
  removeExtension,
} from '../src/index.js';
import { type TemporaryServer, temporaryServer } from '../src/testing.js';
import { as, eventually, logIn, majors } from './support.js';

const DB = { name: 'tenant_db', owner: 'app_rw_a' };
const ROLES = [DB.owner, 'app_ro_a', 'p_rw_b', 'p_ro_b', 'di_rw_c', 'di_ro_c'];
const WANTED = {
  databases: [DB],
  roles: ROLES.map((name) => ({ name, database: DB.name })),
  backendPassword: null,
};

describe.each(majors)('extensions of PostgreSQL %s', (major) => {
  let server: TemporaryServer;
  const connectTo = (database: string) => connect(server.spec, database);
  const catalogue = () => extensionCatalogue(connectTo, DB.name);
  const installed = async () => (await catalogue()).installed.map(({ name, schema }) => [name, schema]);
  const install = (name: string) => installExtension(connectTo, DB, name);
  const remove = (name: string) => removeExtension(connectTo, DB, name);
  const run = (role: string, sql: string) => as(server.spec, role, DB.name, sql);
  const app = (sql: string) => run(DB.owner, sql);
  const superuser = async (sql: string): Promise<pg.QueryResult> => {
    const client = await connectTo(DB.name);
    try {
      return await client.query(sql);
    } finally {
      await client.end();
    }
  };
  /** The refusal, after making sure that nothing was changed by it. */
  async function refused(call: () => Promise<unknown>): Promise<ExtensionError> {
    const state = `select (select array_agg(nspname order by 1) from pg_namespace where nspname !~ '^pg_t'),
      (select array_agg(extname order by 1) from pg_extension), (select string_agg(setconfig::text, ' ' order by setrole) from pg_db_role_setting)`;
    const before = (await superuser(state)).rows;
    const error = await call().then(
      () => expect.fail('it was not refused'),
      (reason: ExtensionError) => reason,
    );
    expect((await superuser(state)).rows).toEqual(before);
    return error;
  }

  beforeAll(async () => {
    server = await temporaryServer(major);
    await server.setAccess(WANTED);
  });
  afterEach(async () => {
    for (const [name] of await installed()) await superuser(`drop extension if exists "${name}" cascade`);
    await superuser(`do $$ declare place name; begin
      for place in select nspname from pg_namespace where nspname !~ '^pg_|^information_schema$|^public$' loop
        execute format('drop schema %I cascade', place);
      end loop; end $$`);
    await server.setAccess(WANTED);
  });
  afterAll(() => server.remove());

  it('installs all that it offers, each in a schema that every role can use, and removes all again', async () => {
    const { available } = await catalogue();
    const left = new Map(available.map((extension) => [extension.name, extension]));
    while (left.size > 0) {
      const ready = [...left.values()].filter(({ requires }) => !requires.some((name) => left.has(name)));
      for (const { name, version } of ready) {
        const schema = name.startsWith('pg_') ? `ext_${name}` : name;
        expect(await install(name)).toEqual({ name, schema, version });
        left.delete(name);
      }
    }
    expect(available.length).toBeGreaterThan(30);
    expect((await catalogue()).installed.map(({ name }) => name)).toEqual(available.map(({ name }) => name));
    for (const role of ROLES) await run(role, USES);
    const needed = new Set(available.flatMap(({ requires }) => requires));
    for (const { name } of available.filter((extension) => !needed.has(extension.name))) await remove(name);
    for (const name of needed) await remove(name);
    expect(await installed()).toEqual([]);
    expect(
      (await superuser(`select from pg_namespace where nspname !~ '^pg_|^information_schema$|^public$'`)).rowCount,
    ).toBe(0);
    expect((await app('show search_path')).rows).toEqual([{ search_path: '"$user", public' }]);
  }, 300_000);

  it('offers nothing that is denied, and says why', async () => {
    const names = (await catalogue()).available.map(({ name }) => name);
    for (const name of [
      'file_fdw',
      'dblink',
      'postgres_fdw',
      'plperl',
      'pltcl',
      'plpython3u',
      'pg_stat_statements',
      'plpgsql',
    ])
      expect(names).not.toContain(name);
    const reasons = {
      file_fdw: /own files/,
      dblink: /other hosts/,
      pltcl: /cannot be interrupted/,
      pg_stat_statements: /has to load it/,
      nonsense: /does not have it/,
    };
    for (const [name, reason] of Object.entries(reasons))
      expect(await refused(() => install(name))).toMatchObject({
        code: 'unsupported',
        message: expect.stringMatching(reason),
      });
    expect(await refused(() => install('plpgsql'))).toMatchObject({ code: 'exists' });
    expect(await refused(() => remove('plpgsql'))).toMatchObject({ code: 'not_found' });
  });

  it('names what is missing, what is in the way and what depends on it, and changes nothing', async () => {
    expect(await refused(() => install('earthdistance'))).toMatchObject({ code: 'dependencies', details: ['cube'] });
    await app('create schema citext');
    expect(await refused(() => install('citext'))).toMatchObject({
      code: 'exists',
      message: expect.stringMatching(/a schema "citext"/),
    });
    await app('drop schema citext');
    await install('citext');
    await install('cube');
    await install('earthdistance');
    expect(await refused(() => install('citext'))).toMatchObject({
      code: 'exists',
      message: expect.stringMatching(/installed already/),
    });
    await app('create table people (name citext)');
    expect(await refused(() => remove('citext'))).toMatchObject({
      code: 'dependents',
      details: ['column name of table public.people'],
    });
    expect(await refused(() => remove('cube'))).toMatchObject({
      code: 'dependents',
      details: ['extension earthdistance'],
    });
    expect(await refused(() => remove('hstore'))).toMatchObject({ code: 'not_found' });
    await app('drop table people');
    for (const name of ['citext', 'earthdistance', 'cube']) await remove(name);
  });

  it('lets nobody but the superuser write in an extension’s schema', async () => {
    await install('cube');
    for (const role of ROLES) {
      await expect(
        run(
          role,
          'set default_transaction_read_only = off; begin; set transaction read write; create table cube.mine (n int)',
        ),
      ).rejects.toThrow(/permission denied for schema/);
    }
    await expect(app('alter extension cube set schema public')).rejects.toThrow(/must be owner|permission denied/);
    await remove('cube');
    // In a schema that a tenant writes in, the script of another extension would run over what he planted.
    await app('create extension cube schema public');
    expect(await refused(() => install('earthdistance'))).toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/"cube" in a schema/),
    });
    await remove('cube');
  });

  it('keeps the search path right through installations side by side, and the roles’ own settings', async () => {
    await app(`alter role ${DB.owner} set search_path = mine, public`);
    await Promise.all(['hstore', 'uuid-ossp', 'pg_trgm'].map(install));
    const { rows } = await run('p_rw_b', 'show search_path');
    expect(rows[0].search_path.split(', ').sort()).toEqual([
      '"$user"',
      '"uuid-ossp"',
      'ext_pg_trgm',
      'hstore',
      'public',
    ]);
    expect((await app('show search_path')).rows).toEqual([{ search_path: 'mine, public' }]);
    await app(`alter role ${DB.owner} reset search_path`);
    await Promise.all(['uuid-ossp', 'pg_trgm'].map(remove));
    expect((await app('show search_path')).rows).toEqual([{ search_path: '"$user", public, hstore' }]);
    await remove('hstore');
  });

  it('is put right by the next look at the roles', async () => {
    await install('hstore');
    await superuser(
      `alter database ${DB.name} reset search_path; revoke usage on schema hstore from readers_${DB.name}`,
    );
    await app('create schema own; create extension citext schema own');
    await server.setAccess(WANTED);
    expect((await app('show search_path')).rows).toEqual([{ search_path: '"$user", public, hstore, own' }]);
    await run('di_ro_c', `select 'a=>1'::hstore, 'A'::citext = 'a'`);
    const settings = 'select xmin, * from pg_db_role_setting';
    const before = (await superuser(settings)).rows;
    await server.setAccess(WANTED);
    expect((await superuser(settings)).rows).toEqual(before);
    await remove('citext');
    await app('drop schema own');
    await remove('hstore');
  });

  it('lets a dump create what is trusted, and removes it, too', async () => {
    for (const role of [DB.owner, 'p_rw_b']) {
      await run(role, `create extension hstore with schema public; comment on extension hstore is 'mine'`);
      expect(await installed()).toEqual([['hstore', 'public']]);
      expect(await refused(() => install('hstore'))).toMatchObject({ code: 'exists' });
      await run('app_ro_a', `select 'a=>1'::hstore`);
      await remove('hstore');
    }
    await install('hstore');
    await run(
      'p_rw_b',
      `create extension if not exists hstore with schema public; comment on extension hstore is 'again'`,
    );
    expect(await installed()).toEqual([['hstore', 'hstore']]);
    await app('drop extension hstore');
    expect((await install('hstore')).schema).toBe('hstore');
    await remove('hstore');
  });

  it('refuses in SQL what is denied, whatever a session tries first', async () => {
    const tries = [
      'create extension pltcl',
      'create language pltcl',
      'create extension if not exists pltcl cascade',
      'do $$ begin create extension pltcl; end $$',
      'begin; create extension hstore; create extension pltcl; commit',
    ];
    for (const sql of tries) {
      for (const role of [DB.owner, 'p_rw_b']) {
        await expect(run(role, sql), sql).rejects.toMatchObject({
          code: '42501',
          message: expect.stringMatching(/^The extension "pltcl" is not offered: its functions cannot be interrupted/),
        });
      }
    }
    for (const name of ['file_fdw', 'dblink', 'pltclu'])
      await expect(app(`create extension ${name}`)).rejects.toMatchObject({ code: '42501' });
    for (const sql of [
      'drop extension plpgsql cascade',
      'drop event trigger borealis_refuse_extensions',
      'alter event trigger borealis_refuse_extensions disable',
      'alter extension plpgsql drop event trigger borealis_refuse_extensions',
      'set session_replication_role = replica',
      'drop function pg_catalog.borealis_refuse_extensions() cascade',
      'alter function pg_catalog.borealis_refuse_extensions() set search_path = public',
    ]) {
      await expect(app(sql), sql).rejects.toMatchObject({ code: '42501' });
    }
    expect(await installed()).toEqual([]);
  });

  it('is all or nothing when it is killed in the middle, and goes through the next time', async () => {
    const holder = await connectTo(DB.name);
    await holder.query('begin; lock table pg_extension in share row exclusive mode');
    const killed = refused(() => install('hstore'));
    try {
      await eventually(async () => {
        const { rowCount } = await superuser(
          `select pg_terminate_backend(pid) from pg_stat_activity where query ~ '^create extension' and wait_event_type = 'Lock'`,
        );
        return rowCount === 1;
      });
    } finally {
      await holder.end();
    }
    expect(await killed).not.toMatchObject({ code: 'unsupported' });
    expect((await install('hstore')).schema).toBe('hstore');
    await remove('hstore');
  });

  it('leaves a restricted database as it is', async () => {
    const restricted = { ...DB, restricted: true };
    await server.setAccess({ ...WANTED, databases: [restricted] });
    for (const name of ['hstore', 'earthdistance'])
      expect(await refused(() => installExtension(connectTo, restricted, name))).toMatchObject({ code: 'conflict' });
    expect(await refused(() => removeExtension(connectTo, restricted, 'hstore'))).toMatchObject({ code: 'conflict' });
  });

  it('lets a role go that owns extensions', async () => {
    await server.setAccess({ ...WANTED, roles: [...WANTED.roles, { name: 'p_rw_d', database: DB.name }] });
    await run(
      'p_rw_d',
      'create schema theirs; create extension hstore schema theirs; create extension citext schema public',
    );
    const session = await logIn(server.spec, 'p_rw_d', DB.name);
    expect(await applyRoles(connectTo, WANTED)).toEqual({ pending: [] });
    await session.end().catch(() => {});
    await app(`comment on extension hstore is 'ours'; drop extension citext; drop schema theirs cascade`);
    expect(await installed()).toEqual([]);
  });
});

/** What shows that the extensions can be used, by unqualified names and without any right to write. */
const USES = `select 'a=>1'::hstore -> 'a', 'A'::citext = 'a', uuid_generate_v4(), similarity('word', 'words'),
  ll_to_earth(50, 8), crypt('p', gen_salt('bf', 4)), '1.2'::ltree, cube(1), unaccent('é'), soundex('a'), 9 % 3,
  '978-0-393-04002-9'::isbn, '1 .. 2'::seg, icount('{1,2}'::int[]), normal_rand(1, 0, 1)`;
