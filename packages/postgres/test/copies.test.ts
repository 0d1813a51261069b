import { mkdir, readFile, stat, symlink } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adoptCopy } from '../src/copies/adopt-copy.js';
import { listCopiedFiles } from '../src/copies/copied-files.js';
import { copyServer } from '../src/copies/copy-server.js';
import { segmentsUntil } from '../src/copies/wal-segments.js';
import { connect, offeredMajors, placeDataDirectory, startServer, writeConfiguration } from '../src/index.js';
import type { ServerSpec } from '../src/server/spec.js';
import { removeServer, type TemporaryServer, temporaryServer, temporarySpec } from '../src/testing.js';
import { logIn } from './support.js';

const MAJORS = process.env.BOREALIS_TEST === 'full' ? offeredMajors() : ['16'];
const WANTED = {
  databases: [{ name: 'shop', owner: 'app_rw_shop' }],
  roles: ['app_rw_shop', 'app_ro_shop', 'p_rw_ann'].map((name) => ({ name, database: 'shop' })),
  backendPassword: 'of-every-role',
};
const RENAMES = {
  databases: [{ from: 'shop', to: 'copied' }],
  roles: [
    { from: 'app_rw_shop', to: 'app_rw_copied' },
    { from: 'app_ro_shop', to: 'app_ro_copied' },
  ],
};
const LEDGER = `
  create table accounts (id int primary key, balance int not null);
  insert into accounts select n, 0 from generate_series(1, 200) n;
  create table entries (id serial primary key, account int not null, amount int not null);`;
const SUMS =
  'select (select sum(balance) from public.accounts)::int as balance, (select sum(amount) from public.entries)::int as entries';

/** Writes without a pause until it is stopped; `acknowledged` is the number of the last commit. */
function writer(spec: ServerSpec) {
  const state = { acknowledged: 0, stopped: false };
  const run = async () => {
    const client = await logIn(spec, 'app_rw_shop', 'shop', WANTED.backendPassword);
    while (!state.stopped) {
      const { rows } = await client.query<{ id: number }>(
        `with moved as (update accounts set balance = balance + 7 where id = $1 returning id)
         insert into entries (account, amount) select id, 7 from moved returning id`,
        [1 + Math.floor(Math.random() * 200)],
      );
      state.acknowledged = rows[0]!.id;
    }
    await client.end();
  };
  const running = run();
  return {
    state,
    async stop() {
      state.stopped = true;
      await running;
    },
  };
}

describe.each(MAJORS)('a copy of a running server of PostgreSQL %s', (major) => {
  let source: TemporaryServer;
  let copy: ServerSpec;
  let open: ServerSpec;

  beforeAll(async () => {
    source = await temporaryServer(major, { access: { method: 'scram' } });
    await source.setAccess(WANTED);
    const client = await logIn(source.spec, 'app_rw_shop', 'shop', WANTED.backendPassword);
    await client.query(LEDGER);
    await client.end();
    open = {
      ...(await temporarySpec(major, { access: { method: 'scram' } })),
      superuser: { name: 'borealis', password: 'of-the-copy' },
    };
    copy = { ...open, closedFor: userInfo().username };
  });

  afterAll(async () => {
    await removeServer(copy);
    await source.remove();
  });

  it('has every commit that was acknowledged before, and none by halves, while the source goes on', async () => {
    const writing = writer(source.spec);
    await expect.poll(() => writing.state.acknowledged, { timeout: 60_000 }).toBeGreaterThan(20);
    const before = writing.state.acknowledged;
    const progress: number[] = [];
    const how = {
      to: copy.os,
      signal: new AbortController().signal,
      onProgress: (done: number) => progress.push(done),
    };
    const places: string[] = [];
    await placeDataDirectory(copy, async (data) => {
      places.push(data);
      const made = await copyServer(source.spec, data, how);
      expect(made.bytes).toBe(progress.at(-1));
      expect(made.stoppedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    });
    await writing.stop();
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    await expect(stat(dirname(places[0]!))).rejects.toThrow('ENOENT');
    await expect(stat(`${copy.dataDirectory}/postgresql.conf`)).rejects.toThrow('ENOENT');
    expect((await stat(copy.dataDirectory)).uid).toBe(copy.os?.uid ?? process.getuid!());
    await placeDataDirectory(copy, () => expect.fail('what is complete is adopted'));

    await writeConfiguration(copy);
    await startServer(copy);
    const client = await connect(copy, 'shop');
    const { rows } = await client.query<{ balance: number; entries: number }>(SUMS);
    const last = await client.query<{ count: number }>('select count(*)::int from public.entries where id <= $1', [
      before,
    ]);
    await client.end();
    expect(rows[0]!.balance).toBe(rows[0]!.entries);
    expect(last.rows[0]!.count).toBe(before);
    const slots = await connect(source.spec);
    expect((await slots.query('select from pg_replication_slots')).rowCount).toBe(0);
    await slots.end();
  });

  it('lets nobody in but the keeper before it is adopted', async () => {
    await expect(logIn(copy, 'app_rw_shop', 'shop', WANTED.backendPassword)).rejects.toThrow(/pg_hba.conf rejects/);
  });

  it('has its own names and its own password once it is adopted, and nothing of what let people into the source', async () => {
    const adoption = { superuser: copy.superuser, ...RENAMES };
    const connectTo = (database: string) => connect(copy, database);
    await expect(
      adoptCopy(connectTo, { ...adoption, roles: [{ from: 'app_rw_gone', to: 'app_rw_new' }] }),
    ).rejects.toThrow('role "app_rw_gone" does not exist');
    await adoptCopy(connectTo, adoption);
    await adoptCopy(connectTo, adoption);
    await writeConfiguration(open);
    const old = { ...open, superuser: source.spec.superuser };
    const client = await connectWhenOpen(open);
    await expect(connect(old)).rejects.toThrow('password authentication failed');
    const roles = await client.query<{ name: string }>(
      `select rolname as name from pg_authid where rolname !~ '^pg_' and (rolcanlogin or rolpassword is not null)`,
    );
    expect(roles.rows).toEqual([{ name: 'borealis' }]);
    const names = await client.query<{
      name: string;
    }>(`select datname as name from pg_database where datname ~ '^(shop|copied)$'
      union all select rolname from pg_roles where rolname ~ '^(app|readers)_' order by 1`);
    expect(names.rows.map(({ name }) => name)).toEqual(['app_ro_copied', 'app_rw_copied', 'copied', 'readers_copied']);
    await client.end();
  });

  it('can be ended at once, and the source forgets it', async () => {
    const ending = new AbortController();
    const target = `${copy.dataDirectory}.ended`;
    const onProgress = () => ending.abort(new Error('not wanted any more'));
    const work = copyServer(source.spec, target, { to: copy.os, signal: ending.signal, onProgress });
    await expect(work).rejects.toThrow('not wanted any more');
    const client = await connect(source.spec);
    const count = async () => (await client.query('select from pg_replication_slots')).rowCount;
    await expect.poll(count, { timeout: 30_000 }).toBe(0);
    await client.end();
  });

  it('is refused where links lead out of the data directory', async () => {
    await mkdir(`${copy.dataDirectory}.linked/pg_tblspc`, { recursive: true });
    await symlink('/etc', `${copy.dataDirectory}.linked/pg_tblspc/16400`);
    await expect(listCopiedFiles(`${copy.dataDirectory}.linked`)).rejects.toThrow('"pg_tblspc/16400"');
  });
});

/** Connects by password, once the rules that were just written are in force. */
async function connectWhenOpen(spec: ServerSpec): Promise<pg.Client> {
  const pid = Number((await readFile(`${spec.dataDirectory}/postmaster.pid`, 'utf8')).split('\n')[0]);
  process.kill(pid, 'SIGHUP');
  await expect
    .poll(() => logIn(spec, 'borealis', 'postgres', 'wrong').catch((error: Error) => error.message), {
      timeout: 30_000,
    })
    .toMatch('password authentication failed');
  return connect(spec);
}

describe('segments of the log', () => {
  const MIB = 1024 * 1024;
  it('end with the one that holds the last byte', () => {
    expect(segmentsUntil('000000010000000000000002', '0/3000000', 16 * MIB)).toEqual(['000000010000000000000002']);
    expect(segmentsUntil('000000010000000000000002', '0/3000001', 16 * MIB)).toHaveLength(2);
  });
  it('go on in the next file of 4 GiB', () => {
    expect(segmentsUntil('0000000A00000001000000FE', '2/1000001', 16 * MIB)).toEqual([
      '0000000A00000001000000FE',
      '0000000A00000001000000FF',
      '0000000A0000000200000000',
      '0000000A0000000200000001',
    ]);
  });
});
