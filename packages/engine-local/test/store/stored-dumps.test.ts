import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { Secret } from '@borealis/contract';
import type { ClusterAccess, ClusterSpec } from '@borealis/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { homePaths } from '../../src/home/paths.js';
import { DirectoryStore } from '../../src/store/directory-store.js';
import { DumpPlace } from '../../src/store/dump-place.js';
import { listBackups } from '../../src/store/list-backups.js';
import { canBackUp } from '../support/client-tools.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from '../support/home.js';
import { type KeeperProcess, startKeeperProcess } from '../support/keeper-process.js';
import { queryDirectly } from '../support/superuser.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const hasTools = await canBackUp();
const ID = 'tenants';
const SHARED: ClusterSpec = { ...SPEC, tenancy: 'shared' };
const WRAPPING_KEY = new Secret(randomBytes(32));

/** Some of what a dump carries. */
const RICH = `set role app_rw_two;
  create table secrets (id serial primary key, owner text, what text);
  insert into secrets (owner, what) select 'me', repeat(md5(n::text), 100) from generate_series(1, 100) n;
  create index on secrets (md5(what));
  create schema more; create materialized view more.sums as select count(*) from secrets;
  create extension pg_trgm with schema public; create index on secrets using gin (what gin_trgm_ops);
  create policy mine on secrets for select to app_rw_two, app_ro_two using (owner = 'me');
  alter table secrets enable row level security;
  comment on table secrets is 'what counts';
  select lo_from_bytea(4711, 'a large object')`;

const WHAT_IS_THERE = `
  select (select count(*) from public.t)::int as rows, (select count(*) from public.secrets)::int as secrets,
    nextval('public.secrets_id_seq')::text as next, convert_from(lo_get(4711), 'UTF8') as large,
    obj_description('public.secrets'::regclass) as comment,
    (select string_agg(distinct relowner::regrole::text, ',') from pg_class
      where relname in ('t', 'secrets', 'secrets_id_seq', 'sums')) as owners,
    (select array_agg(rolname::text order by rolname::text collate "C") from pg_policy join pg_roles r on r.oid = any (polroles)) as policy,
    (select count = 100 from more.sums) as fits,
    has_table_privilege('app_ro_new', 'public.secrets', 'select') as reader`;

function access(revision: number, ...names: string[]): ClusterAccess {
  const roles = names.flatMap((name) =>
    ['rw', 'ro'].map((kind) => ({ name: `app_${kind}_${name}`, database: name, verifiers: [], validUntil: null })),
  );
  const databases = names.map((name) => ({ name, owner: `app_rw_${name}` }));
  return { revision, databases, roles, tunnelUsers: [] };
}

describe.skipIf(!isFull || !hasTools)(
  `nightly backups in an object store (needs pg_dump ${SPEC.major}, in the full suite)`,
  () => {
    let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
    let home: string;
    let keeper: KeeperProcess;
    let store: DirectoryStore;
    const start = () =>
      startKeeperProcess(home, undefined, {
        backups: { reserveBytes: 0 },
        store: { location: store.location, wrappingKey: WRAPPING_KEY, lateMs: 1000 },
      });
    const nameOf = async (database: string) => {
      const { id } = JSON.parse(await readFile(homePaths(home).identity, 'utf8')) as { id: string };
      return `${id}-${ID}-${database}`;
    };
    const inStore = async (database: string) => {
      const place = await DumpPlace.open(store, await nameOf(database), WRAPPING_KEY);
      return (await place.list()).dumps;
    };
    const untilThere = (database: string, takenAt: string) =>
      eventually('the store has it', async () => {
        const stored = await keeper.engine.storedBackup(ID, database).catch(() => null);
        return stored?.waitingDumps === 0 && stored.newestDump === takenAt;
      });

    beforeAll(async () => {
      directory = await temporaryDirectory();
      home = `${directory.path}/h`;
      await mkdir(`${directory.path}/store`);
      store = new DirectoryStore(`${directory.path}/store`);
      keeper = await start();
      await keeper.engine.createCluster(ID, SHARED);
      await untilReady(keeper.engine, ID);
      await keeper.engine.applyAccess(ID, access(1, 'one', 'two'));
      for (const name of ['one', 'two'])
        await queryDirectly(
          home,
          ID,
          `set role app_rw_${name}; create table t as select generate_series(1, 9) n`,
          name,
        );
    }, GENEROUS);
    afterAll(async () => {
      await keeper?.kill('SIGTERM');
      await directory?.remove();
    }, GENEROUS);

    test(
      'those of tenants come there, with the proof, and go with retention and with the database',
      async () => {
        const { engine } = keeper;
        expect(await engine.storedBackup(ID, 'one')).toEqual({ upTo: null, newestDump: null, waitingDumps: 0 });
        const made = await engine.backUpDatabase(ID, 'one', 'n1');
        await untilThere('one', made.takenAt);
        expect((await engine.storedBackup(ID, 'one'))?.upTo).toBe(made.takenAt);
        const proven = await engine.proveBackup(ID, 'one', 'n1');
        await eventually('the proof', async () => (await inStore('one'))[0]?.proof !== null);
        expect(await inStore('one')).toEqual([proven]);
        const newer = await engine.backUpDatabase(ID, 'one', 'n2');
        const other = await engine.backUpDatabase(ID, 'two', 'n1');
        await untilThere('one', newer.takenAt);
        await untilThere('two', other.takenAt);
        expect(await listBackups(store, WRAPPING_KEY)).toEqual([
          { name: await nameOf('one'), database: await engine.storedDatabase(await nameOf('one')) },
          {
            name: await nameOf('two'),
            database: { major: '16', database: 'two', owner: 'app_rw_two', dumps: [other] },
          },
        ]);

        await engine.dropBackup(ID, 'one', 'n1');
        await eventually('it is gone there, too', async () => (await inStore('one')).length === 1);
        await engine.applyAccess(ID, access(2, 'two'));
        await engine.dropDatabase(ID, 'one');
        const left = `databases/${await nameOf('one')}`;
        await eventually('nothing of it is left there', async () => (await store.list(left)).length === 0);
        expect(await inStore('two')).toEqual([other]);
      },
      GENEROUS,
    );

    test(
      'a database is made of one in another home, with the master key, and nothing in it is missing',
      async () => {
        await queryDirectly(home, ID, RICH, 'two');
        const made = await keeper.engine.backUpDatabase(ID, 'two', 'rich');
        await untilThere('two', made.takenAt);
        const dump = { backup: await nameOf('two'), dump: 'rich' };
        const otherHome = `${directory.path}/o`;
        const startOther = () =>
          startKeeperProcess(otherHome, undefined, {
            backups: { reserveBytes: 0 },
            store: { location: store.location, wrappingKey: WRAPPING_KEY },
          });
        let other = await startOther();
        try {
          await other.engine.createCluster('again', SHARED);
          await untilReady(other.engine, 'again');
          await other.engine.applyAccess('again', {
            revision: 1,
            databases: [
              { name: 'new', owner: 'app_rw_new' },
              { name: 'used', owner: 'app_rw_used' },
            ],
            roles: [
              { name: 'app_rw_new', database: 'new', verifiers: [], validUntil: null },
              { name: 'app_ro_new', database: 'new', verifiers: [], validUntil: null },
              { name: 'app_rw_used', database: 'used', verifiers: [], validUntil: null },
            ],
            tunnelUsers: [],
          });
          await queryDirectly(otherHome, 'again', 'create table public.mine (n int)', 'used');
          const fill = (database: string, name = dump) => other.engine.fillDatabase('again', database, name);
          await expect(fill('used')).rejects.toMatchObject({ code: 'conflict' });
          await expect(fill('none')).rejects.toMatchObject({ code: 'not_ready' });
          await expect(fill('new', { ...dump, dump: 'no-such' })).rejects.toMatchObject({ code: 'not_found' });

          // A keeper that is killed in between leaves a part of it, which the next one does not keep.
          const first = fill('new').catch(() => false);
          await eventually('it has begun', async () => {
            const record = await readFile(homePaths(otherHome).cluster('again').record, 'utf8');
            return JSON.parse(record).filled.new !== undefined;
          });
          await other.kill('SIGKILL');
          await first;
          other = await startOther();
          await untilReady(other.engine, 'again');
          await eventually('all of it is there', () => fill('new'));
          expect(await fill('new')).toBe(true);
          await expect(fill('new', { ...dump, dump: 'n1' })).rejects.toMatchObject({ code: 'conflict' });
          const rows = await queryDirectly(otherHome, 'again', WHAT_IS_THERE, 'new');
          expect(rows).toEqual([
            {
              ...{ rows: 9, secrets: 100, next: '101', large: 'a large object', comment: 'what counts' },
              ...{ owners: 'app_rw_new', policy: ['app_ro_new', 'app_rw_new'], fits: true, reader: true },
            },
          ]);
          const roles = await queryDirectly(otherHome, 'again', `select rolname from pg_roles where rolname ~ '_two$'`);
          expect(roles).toEqual([]);
        } finally {
          await other.engine.destroyCluster('again').catch(() => undefined);
          await other.kill('SIGTERM');
        }
      },
      GENEROUS,
    );

    test(
      'what was made while the store was out, or the keeper dead, comes there later; what only the disk lost stays',
      async () => {
        await rename(store.location, `${store.location}.away`);
        const made = await keeper.engine.backUpDatabase(ID, 'two', 'n2');
        await eventually('it is told', async () => {
          const { events } = await keeper.engine.events(null, 0);
          return events.some(({ type }) => type === 'store-failing');
        });
        expect((await keeper.engine.storedBackup(ID, 'two'))?.waitingDumps).toBeGreaterThan(0);
        await keeper.kill('SIGKILL');
        await rename(`${store.location}.away`, store.location);
        keeper = await start();
        await untilReady(keeper.engine, ID);
        await untilThere('two', made.takenAt);
        expect((await inStore('two')).map(({ name }) => name)).toEqual(['n1', 'rich', 'n2']);

        await rm(`${homePaths(home).cluster(ID).backups}/two/n1.json`);
        const last = await keeper.engine.backUpDatabase(ID, 'two', 'n3');
        await untilThere('two', last.takenAt);
        expect((await inStore('two')).map(({ name }) => name)).toEqual(['n1', 'rich', 'n2', 'n3']);
        await keeper.engine.destroyCluster(ID);
        await eventually('nothing is left there', async () => (await store.list('')).length === 0);
      },
      GENEROUS,
    );
  },
);
