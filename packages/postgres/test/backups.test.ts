import { appendFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { complaintsIn } from '../src/backups/complaints.js';
import {
  checkIndexes,
  connect,
  type Dump,
  differences,
  dumpDatabase,
  offeredMajors,
  ownedByOthers,
  restoreDump,
  restoredContents,
  SCRATCH_SETTINGS,
  type ServerSpec,
  startScratchServer,
  stopScratchServer,
  troublesInLog,
} from '../src/index.js';
import { removeServer, type TemporaryServer, temporaryServer, temporarySpec } from '../src/testing.js';
import { clientTools } from './client-tools.js';
import { as } from './support.js';

const ROLES = ['app_rw_shop', 'app_ro_shop'].map((name) => ({ name, database: 'shop' }));
const ACCESS = { databases: [{ name: 'shop', owner: 'app_rw_shop' }], roles: ROLES, backendPassword: null };

/** The default major in every run, all in the full one. */
const majors = process.env.BOREALIS_TEST === 'full' ? offeredMajors() : ['16'];

const never = new AbortController().signal;

describe.each(majors)('a backup of PostgreSQL %s', async (major) => {
  const tools = await clientTools(major);
  let server: TemporaryServer;
  let scratch: ServerSpec;

  const request = () => ({ server: server.spec, database: 'shop', tools: tools!, signal: never });
  const owner = (sql: string) => as(server.spec, 'app_rw_shop', 'shop', sql);

  async function service(sql: string): Promise<void> {
    const client = await connect(server.spec, 'shop');
    await client.query(sql).finally(() => client.end());
  }

  beforeAll(async () => {
    if (!tools) return;
    server = await temporaryServer(major);
    await server.setAccess(ACCESS);
    await service(
      'create schema hstore; create extension hstore schema hstore; grant usage on schema hstore to public',
    );
    for (const sql of WORLD) await owner(sql);
  });
  afterAll(async () => {
    if (!tools) return;
    await server.remove();
    if (scratch) await removeServer(scratch);
  });

  it.skipIf(!tools)(`shows one moment, and all of it comes back (needs pg_dump ${major})`, async () => {
    const { content, contents, prelude } = await collected(async (take) => {
      const dumping = dumpDatabase(request(), async (stream) => {
        // The snapshot is taken: none of this may be in the dump.
        await owner(`insert into t (v) values ('too late'); delete from parts where id = 1; select nextval('moving')`);
        return take(stream);
      });
      return dumping;
    });
    expect(contents.tables['public.t']).toMatchObject({ rows: 3 });
    expect(contents.largeObjects.rows).toBe(2);
    expect(contents.sequences).toMatchObject({ 'public."Still ""one"""': '42', 'public.unused': '7 (not used)' });
    // What moves while it is dumped may stand anywhere.
    expect(contents.sequences).not.toHaveProperty(['public.moving']);
    expect(Object.keys(contents.tables)).toEqual(
      expect.arrayContaining(['public."Odd ""name"""', 'public.empty', 'public.parts_1', 's.kept']),
    );

    scratch = await scratchSpec(major);
    const restorer = await startScratchServer(scratch, 'shop', prelude);
    const restoring = { server: scratch, database: 'shop', tools: tools!, restorer, prelude, signal: never };
    expect(await restoreDump(restoring, stream(content))).toEqual([]);
    const restored = await restoredContents(scratch, 'shop', never);
    expect(differences(contents, restored)).toEqual([]);
    const who = { owner: restorer.name, apart: prelude.extensions.map(({ schema }) => schema) };
    const others = () => ownedByOthers(scratch, 'shop', who, never);
    expect(contents.rights).toMatchObject({ 'row security of public.t': 'on, forced' });
    expect(await others()).toEqual([]);
    expect(await checkIndexes(scratch, 'shop', never)).toBeGreaterThan(3);
    expect(await troublesInLog(scratch.logFile)).toEqual([]);

    await expectDifferences(contents);
    const changed = ['large object 4712', 'public.mood', 'public.w', 's', 's.f()'];
    // What checked the indexes is not the owner's either.
    expect(await others()).toEqual(['borealis_proof', ...changed]);
    await stopScratchServer(scratch);
  });

  async function expectDifferences(contents: Dump<unknown>['contents']): Promise<void> {
    const client = await connect(scratch, 'shop');
    await client.query(`set search_path = public; update t set v = 'TWO' where v = 'two'; drop table empty; select lo_put(4711, 0, 'L');
      delete from s.kept where n = 7; drop index by_v; select setval('"Still ""one"""', 41), nextval('unused');
      alter sequence gone rename to back; alter table t no force row level security; alter function s.f() security definer;
      grant select on w to public; grant select on large object 4712 to public; alter type mood owner to borealis;
      alter schema s owner to borealis; alter function s.f() owner to borealis`);
    await client.end();
    expect(differences(contents, await restoredContents(scratch, 'shop', never))).toEqual([
      'Of the table public.empty nothing is there.',
      'The rows of the table public.t are not those that were dumped.',
      'Of the table s.kept 99 rows are there instead of 100.',
      'The rows of large objects are not those that were dumped.',
      expect.stringMatching(/"table" is \d+ instead of \d+/),
      expect.stringMatching(/"index" is \d+ instead of \d+/),
      'The sequence public."Still ""one""" stands at 41 instead of 42.',
      'The sequence public.gone is not there.',
      'The sequence public.unused stands at 7 instead of 7 (not used).',
      'It is not as it was: row security of public.t.',
      'It is not as it was: function s.f().',
    ]);
    await appendFile(scratch.logFile, 'XX001 ERROR:  invalid page in block 7\n');
    expect(await troublesInLog(scratch.logFile)).toEqual(['XX001']);
  }

  it.skipIf(!tools)(`calls nothing that a tenant defined as the service (needs pg_dump ${major})`, async () => {
    await owner(`create table caught (who text);
      create function spy(t) returns text language plpgsql as $$ begin insert into caught values (current_user); return 'x'; end $$;
      create cast (t as text) with function spy(t) as implicit`);
    const { contents } = await collected((take) => dumpDatabase(request(), take));
    expect(contents.tables['public.t']!.rows).toBe(4);
    expect((await owner('select count(*)::int as n from caught')).rows).toEqual([{ n: 0 }]);
    await owner('drop cast (t as text)');
  });

  it.skipIf(!tools)(
    `fails as a whole when the dump fails, and leaves no session (needs pg_dump ${major})`,
    async () => {
      const stopped = new AbortController();
      const dumping = dumpDatabase({ ...request(), signal: stopped.signal }, async (content) => {
        for await (const _ of content) stopped.abort(new Error('no more'));
      });
      await expect(dumping).rejects.toThrow('no more');
      const broken = dumpDatabase(request(), async (content) => {
        for await (const _ of content) throw new Error('the disk is full');
      });
      await expect(broken).rejects.toThrow('the disk is full');
      const missing = dumpDatabase({ ...request(), database: 'nowhere' }, async () => undefined);
      await expect(missing).rejects.toThrow(/nowhere/);
    },
  );
});

/** Collects the stream beside what the dump tells. */
async function collected(
  dump: (take: (content: AsyncIterable<Buffer>) => Promise<Buffer[]>) => Promise<Dump<Buffer[]>>,
): Promise<Dump<Buffer[]> & { content: Buffer[] }> {
  const result = await dump(async (content) => {
    const parts: Buffer[] = [];
    for await (const part of content) parts.push(part);
    return parts;
  });
  return { ...result, content: result.taken };
}

async function* stream(parts: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* parts;
}

async function scratchSpec(major: string): Promise<ServerSpec> {
  const spec = await temporarySpec(major, { access: { method: 'scram' } });
  return { ...spec, settings: { ...spec.settings, ...SCRATCH_SETTINGS } };
}

it('what pg_restore complains about is told by names alone', () => {
  const said = `pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"
Command was: SET transaction_timeout = 0;
pg_restore: error: could not execute query: ERROR:  schema "hstore" already exists
Command was: CREATE SCHEMA hstore;
pg_restore: error: COPY failed for table "orders": ERROR:  invalid input syntax for type integer: "secret"
pg_restore: error: could not execute query: ERROR:  function f(text) does not exist
Command was: CREATE INDEX by_f ON public.t USING btree (f('secret'));
pg_restore: error: could not read from input file: end of file
pg_restore: warning: errors ignored on restore: 4`;
  expect(complaintsIn(said, new Set(['CREATE SCHEMA hstore']))).toEqual([
    'COPY "orders"',
    'CREATE INDEX by_f ON public.t USING',
    'its end',
  ]);
});

/** Some of everything that is hard to dump, restore or compare. */
const WORLD = [
  `create type mood as enum ('ok', 'good'); create domain short as text check (length(value) < 20);
   create type pair as (a int, b short)`,
  `create table t (id serial primary key, v short, m mood default 'ok', p pair default row(1, 'x'), j jsonb default '{"a": [1, null]}',
     f float8 default 0.1, n numeric default 'NaN', b bytea default '\\x00ff', d timestamptz default '2001-02-03 04:05:06.789+01',
     r int4range default '[1,5)', a text[] default '{"a,b",NULL}', g int generated always as (1 + 1) stored)`,
  `insert into t (v) values ('one'), ('two'), (E'tab\\tnew\\nline')`,
  `create index by_v on t (lower(v::text)); create view w as select v from t; create materialized view mv as select count(*) from t`,
  `create table "Odd ""name""" ("Column ä" text); insert into "Odd ""name""" values ('ü'), (null), ('ü')`,
  'create table empty ()',
  `create table parts (id int, primary key (id)) partition by range (id); create table parts_1 partition of parts for values from (0) to (10);
   insert into parts select generate_series(0, 9); create table refers (id int references parts)`,
  `create schema s; create table s.kept as select n, repeat(md5(n::text), 3) as filler from generate_series(1, 100) n; create unlogged table s.fast (x int)`,
  `create table heir (extra int) inherits (s.kept); insert into heir values (1000, 'h', 1)`,
  `create table tags (h hstore.hstore, id bigint generated always as identity); insert into tags (h) values ('a=>1, b=>NULL')`,
  `create function s.f() returns trigger language plpgsql as 'begin return new; end'; create trigger g before insert on t execute function s.f()`,
  `alter table t enable row level security; alter table t force row level security;
   create policy mine on t to app_rw_shop using (true); create policy theirs on t to app_ro_shop using (v = current_user)`,
  `create sequence "Still ""one"""; select setval('"Still ""one"""', 42); create sequence unused start 7; create sequence gone;
   create sequence moving; select nextval('moving')`,
  `select lo_from_bytea(4711, 'large'); select lo_create(4712); select lo_put(4712, 100000, 'after a hole')`,
];
