import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually, GENEROUS } from '../support/home.js';
import { codeOf, isFull, type Kind, MAJORS, SharedCluster } from './tenants.js';

/** Small enough for a test; what the usual ones are is data, and no test's business. */
const BOUNDS = {
  connections: 12,
  connectionsOfPerson: 4,
  privateMemoryMiB: 96,
  memoryMiB: 180,
  temporaryFilesOfProcessMiB: 16,
  temporaryFilesMiB: 24,
  transactionSeconds: 15,
  statementSeconds: 10,
  idleInTransactionSeconds: 5,
  notificationQueueMiB: 4,
  writtenMiB: 192,
  writtenMiBPerMinute: 1,
};
/** Sessions that PostgreSQL ended at the keeper's word, and what a driver says that had nothing to hear it with. */
const ENDED = /^(57P01|Connection terminated|read ECONNRESET|Client has encountered)/;
const UNDO = `set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set work_mem = '2GB'; set temp_buffers = '1GB';
  select set_config(name, '0', false) from pg_settings where name = 'transaction_timeout';`;

const end = (client: pg.Client) => client.end().catch(() => undefined);

function onlyTooMany(error: { code?: string }): null {
  if (error.code !== '53300') throw error;
  return null;
}

describe.skipIf(!isFull).each(MAJORS)(
  'a tenant of PostgreSQL %s that takes all it can',
  { timeout: GENEROUS },
  (major) => {
    let cluster: SharedCluster;
    const opened: pg.Client[] = [];
    const session = async (kind: Kind) => {
      const client = await cluster.session(cluster.hostile, kind);
      opened.push(client);
      return client;
    };
    const sessions = (count: number) => Promise.all(Array.from({ length: count }, () => session('app_rw')));
    /** One after another, with patience: who is refused counts for the others for a moment. */
    const fill = async (kind: Kind, count: number) => {
      for (let at = 0; at < count; at++)
        await eventually(`session ${at + 1} of ${count} as ${kind}`, () => session(kind).catch(onlyTooMany));
      expect(await codeOf(session(kind))).toBe('53300');
    };
    /** Undoes what he can, then attacks; gives how that ended. */
    const attack = async (sql: string, kind: 'app_rw' | 'app_ro' = 'app_rw') => {
      const client = await session(kind);
      await client.query(UNDO);
      return codeOf(client.query(sql)).finally(() => end(client));
    };
    beforeAll(async () => {
      cluster = await SharedCluster.start(major, BOUNDS);
      await cluster.as(cluster.hostile, 'app_rw', 'create table t (v text); create unlogged table u (v text)');
    }, GENEROUS);
    afterAll(() => cluster?.stop(), GENEROUS);

    /** Each finds all of its share free. A backend is gone a moment after its session. */
    afterEach(async () => {
      await Promise.all(opened.splice(0).map(end));
      await eventually('no session of his', async () => {
        const rows = await cluster.asSuperuser(
          `select from pg_stat_activity where datname = '${cluster.hostile.database}' and usename like '%${cluster.hostile.name}'`,
        );
        return rows.length === 0;
      });
      await cluster.checkVictim();
    }, GENEROUS);

    test('has a share of the connections, and a person a share of that', async () => {
      await fill('p_rw', BOUNDS.connectionsOfPerson);
      await fill('app_rw', BOUNDS.connections - BOUNDS.connectionsOfPerson);
      await cluster.checkVictim();
    });

    test('gets an error for memory beyond its share, and nothing crashes', async () => {
      const [{ pid }] = (await cluster.asSuperuser(`select pg_postmaster_start_time()::text as pid`)) as [
        { pid: string },
      ];
      const deep = `create or replace function deep(n int) returns int language plpgsql as $$ begin return deep(n + 1); end $$;`;
      const attacks = [
        `select length(repeat('x', 900000000))`,
        `select length(array_agg(repeat('x', 1000) || i)::text) from generate_series(1, 1000000) i`,
        `do $$ begin for i in 1..1000000 loop execute format('prepare p%s as select %L', i, repeat('x', 10000)); end loop; end $$`,
        `${deep} do $$ declare k int := 4194304; begin
         while k > 100 loop
           begin execute format('prepare p_%s as select %L', (random() * 1e9)::int, repeat('x', k));
           exception when out_of_memory then k := k / 2; end;
         end loop;
         perform deep(1); end $$`,
      ];
      for (const sql of attacks) expect(await attack(sql), sql).toMatch(/^(53200|54001|57P01)$/);
      expect(await cluster.asSuperuser(`select pg_postmaster_start_time()::text as pid`)).toEqual([{ pid }]);
    });

    test('loses a session when all together have too much memory', async () => {
      const hold = `do $$ begin for i in 1..1000 loop execute format('prepare p%s as select %L', i, repeat('x', 8000)); end loop; end $$`;
      const clients = await sessions(6);
      const codes = await Promise.all(clients.map((client) => codeOf(client.query(hold))));
      await eventually('the end of a session', async () =>
        (await Promise.all(clients.map((client) => codeOf(client.query('select 1'))))).some(
          (code) => code !== 'accepted',
        ),
      );
      expect(codes.filter((code) => code === '53200')).toEqual([]);
    });

    test('has a share of the temporary files, in one session and in all', async () => {
      const sort = (mib: number) =>
        `set work_mem = '64kB'; declare c cursor with hold for select repeat(i::text, 100) from generate_series(1, ${mib * 2000}) i order by 1`;
      expect(await attack(sort(30))).toBe('53400');
      expect(await attack('set temp_file_limit = -1')).toBe('42501');
      const clients = await sessions(6);
      await Promise.all(clients.map((client) => codeOf(client.query(sort(8)))));
      await eventually('the end of a session', async () =>
        (await Promise.all(clients.map((client) => codeOf(client.query('select 1'))))).some(
          (code) => code !== 'accepted',
        ),
      );
    });

    test('takes no locks that keep others out, not even as a reader', async () => {
      const take = 'select count(pg_advisory_lock(i)) from generate_series(1, 200000) i; select pg_sleep(60)';
      const attacks = Promise.all([attack(take, 'app_ro'), attack(take), attack(take)]);
      for (let looks = 0; looks < 10; looks++) await cluster.checkVictim();
      for (const code of await attacks) expect(code).toMatch(ENDED);
    });

    test('keeps no transaction open and no statement running, whatever it sets', async () => {
      const busy = async () => {
        const client = await session('app_rw');
        await client.query(`${UNDO} begin`);
        for (;;) {
          const code = await codeOf(client.query('select pg_sleep(1)'));
          if (code !== 'accepted') return code;
        }
      };
      const idle = async () => {
        const client = await session('app_rw');
        const ended = new Promise<string>((resolve) => client.once('end', () => resolve('57P01')));
        await client.query(`${UNDO} begin`);
        return ended;
      };
      const codes = await Promise.all([
        attack('select pg_sleep(100000)'),
        attack('do $$ begin loop perform 1; end loop; end $$'),
        idle(),
        busy(),
      ]);
      for (const code of codes) expect(code).toMatch(ENDED);
    });

    test('does not fill the queue of notifications', async () => {
      const listener = await session('app_rw');
      await listener.query(`${UNDO} listen flood; begin; select 1`);
      const flood = `do $$ begin for i in 1..100000 loop
      perform pg_notify('flood', i || repeat('x', 7000)); if i % 100 = 0 then commit; end if;
    end loop; end $$`;
      expect(await attack(flood)).toMatch(ENDED);
      await eventually('the queue is short again', async () => {
        const rows = await cluster.asSuperuser('select pg_notification_queue_usage() as share');
        return Number(rows[0]!.share) < 0.05;
      });
    });

    test('does not write without end', async () => {
      const fill = `insert into t select repeat(md5(i::text), 60) from generate_series(1, 30000) i; truncate t`;
      const writing = eventually('the end of the session', async () => ENDED.test(await attack(fill)));
      await cluster.checkVictim();
      await writing;
    });
  },
);
