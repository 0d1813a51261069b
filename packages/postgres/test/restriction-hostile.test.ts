import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HARMLESS, REFUSED } from './restriction/attacks.js';
import { catalogue, content } from './restriction/catalogue.js';
import { DB, makeTenant, OWNER, PERSON, READER, type Tenant } from './restriction/tenant.js';
import { eventually, majors } from './support.js';

/** What a determined reader says first. */
const FORCE = 'set default_transaction_read_only = off';
/** COPY from the client, and what cannot be in a transaction. */
const NOT_IN_FUNCTIONS = ['0A000', '25001'];
/** More than the catalogues' own movement, less than one of the tables that an attack would write. */
const SLACK_BYTES = 512 * 1024;

describe.each(majors)('a restricted database of PostgreSQL %s', (major) => {
  let tenant: Tenant;
  const state = async () => ({
    content: await content(tenant),
    catalogue: await catalogue(tenant),
    files: await files(),
  });

  /** Changes when something is written anew: VACUUM FULL, CLUSTER, REINDEX, TRUNCATE, a refresh. */
  const files = async () =>
    (await tenant.superuser('select oid, relfilenode from pg_class where oid >= 16384 order by oid')).rows;
  const size = async () =>
    Number((await tenant.superuser('select pg_database_size(current_database()) as n')).rows[0].n);

  /** Sends one statement and undoes what it may have done to the session; true when it was refused for want of a right. */
  async function isRefused(client: pg.Client, sql: string): Promise<boolean> {
    const code = await client.query(sql).then(
      () => null,
      (error) => error.code,
    );
    await client.query('rollback');
    await client.query('reset role');
    return code === '42501' || (/^select \w*definer/.test(sql) && NOT_IN_FUNCTIONS.includes(code));
  }

  /** Sends all of them as that role, each by itself, as a function's caller and in a block; returns those that went through. */
  async function send(role: string, statements: string[]): Promise<string[]> {
    const client = await tenant.logIn(role);
    const passed: string[] = [];
    const quoted = (sql: string) => `'${sql.replaceAll("'", "''")}'`;
    try {
      await client.query(FORCE);
      for (const sql of statements) {
        const ways = [sql, `select definer(${quoted(sql)})`, `select person_definer(${quoted(sql)})`];
        for (const way of ways) if (!(await isRefused(client, way))) passed.push(way);
      }
    } finally {
      await client.end();
    }
    return passed;
  }

  beforeAll(async () => {
    tenant = await makeTenant(major);
    await tenant.run(
      OWNER,
      `create function quiet(text) returns void language plpgsql as 'begin execute $1; exception when others then null; end';
       create function hidden(v text) returns text immutable language plpgsql as $$ begin
         perform public.quiet('insert into s.u values (77)');
         perform public.quiet('grant all on all tables in schema public, s to ${OWNER}');
         perform public.quiet('alter table s.u owner to ${OWNER}');
         perform public.quiet('truncate s.u');
         return v; end $$;
       create table trap as select 'x'::text as v from generate_series(1, 50); create index on trap (hidden(v)); truncate s.u`,
    );
    await tenant.restrict();
  });
  afterAll(() => tenant.server.remove());

  it.each([OWNER, PERSON, READER])('refuses whatever %s sends', async (role) => {
    const [before, bytes] = [await state(), await size()];
    expect(await send(role, REFUSED)).toEqual([]);
    await send(role, HARMLESS);
    const after = await state();
    expect(after.content).toEqual(before.content);
    expect(after.catalogue).toEqual(before.catalogue);
    expect(after.files).toEqual(before.files);
    expect((await size()) - bytes).toBeLessThan(SLACK_BYTES);
  });

  it('gives a function nothing that PostgreSQL itself runs as the owner of a table', async () => {
    const before = await state();
    await tenant.superuser('analyze public.trap');
    expect(await state()).toEqual(before);
  });

  it('writes nothing through sessions, statements and cursors from before, and leaves those alone that only read', async () => {
    await tenant.lift();
    const client = await tenant.logIn(OWNER);
    await client.query(`prepare writes as insert into t (v) values ('no'); prepare reads as select count(*) from t`);
    await client.query('listen news; begin; declare c cursor with hold for select n from big order by n; commit');
    await client.query('fetch 1 from c; select nextval($$s.free$$)');
    const writer = await tenant.logIn(PERSON);
    await writer.query(`begin; insert into made (n) values (66)`);
    await tenant.restrict();
    const before = await state();
    await expect(writer.query('commit')).rejects.toThrow();
    expect((await tenant.run(OWNER, 'select from made where n = 66')).rowCount).toBe(0);
    for (const sql of ['execute writes', `select nextval('s.free')`, 'create temp table mine (n int)'])
      await expect(client.query(sql)).rejects.toThrow(/permission denied/);
    expect((await client.query('fetch 1 from c')).rows).toEqual([{ n: 2 }]);
    expect((await client.query('execute reads')).rowCount).toBe(1);
    await client.query('begin isolation level serializable; select * from t; commit');
    const heard = new Promise((resolve) => client.once('notification', resolve));
    await tenant.run(READER, `notify news, 'hello'`);
    expect(await heard).toMatchObject({ payload: 'hello' });
    await client.end();
    expect(await state()).toEqual(before);
  });

  it('ends sessions that hold temporary tables', async () => {
    await tenant.lift();
    const client = await tenant.logIn(READER);
    await client.query(FORCE);
    await client.query('create temp table mine as select 1 as n');
    await tenant.restrict();
    await expect(client.query('insert into mine values (2)')).rejects.toThrow();
    await client.end().catch(() => {});
    await eventually(
      async () => (await tenant.superuser(`select from pg_class where relname = 'mine'`)).rowCount === 0,
    );
  });

  it('is locked past readers that hold its tables and come again and again', async () => {
    await tenant.lift();
    let on = true;
    const reading = Array.from({ length: 4 }, async () => {
      while (on) {
        const client = await tenant.logIn(READER).catch(() => null);
        await client?.query(`begin; select * from t; select * from big; select pg_sleep(600)`).catch(() => {});
        await client?.end().catch(() => {});
      }
    });
    await eventually(async () => {
      const { rowCount } = await tenant.superuser(
        `select from pg_stat_activity where datname = '${DB}' and wait_event = 'PgSleep'`,
      );
      return rowCount === 4;
    });
    await tenant.restrict();
    on = false;
    await tenant.superuser(`select pg_terminate_backend(pid) from pg_stat_activity where usename = '${READER}'`);
    await Promise.all(reading);
    await expect(tenant.run(OWNER, 'delete from t')).rejects.toThrow(/permission denied/);
  });
});
