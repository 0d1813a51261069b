import { readdir, readFile, writeFile } from 'node:fs/promises';
import type { ChangeQuery, FoundChanges } from '@borealis/contract';
import type { ClusterAccess } from '@borealis/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromMicroseconds, toMicroseconds } from '../src/copies/moment.js';
import { homePaths } from '../src/home/paths.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { queryDirectly } from './support/superuser.js';

const isFull = process.env.BOREALIS_TEST === 'full';

const ACCESS: ClusterAccess = {
  revision: 1,
  databases: [{ name: 'shop', owner: 'app_rw_shop' }],
  roles: [{ name: 'app_rw_shop', database: 'shop', verifiers: [], validUntil: null }],
  tunnelUsers: [],
};
const ALL: ChangeQuery = { search: 'all-of-it', table: null, kinds: ['delete', 'truncate', 'drop'], since: null };

describe.skipIf(!isFull)('what took rows away, in the archive of a cluster (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: KeeperProcess;
  let earliest: string;
  const start = () => startKeeperProcess(home, undefined, { bases: { first: 0 } });
  const shop = (sql: string) => queryDirectly(home, 'source', sql, 'shop');
  const ask = (query: Partial<ChangeQuery>) => keeper.engine.findChanges('source', 'shop', { ...ALL, ...query });

  /** Each search of its own, so that none is answered with what was found before. */
  let searches = 0;
  async function find(query: Partial<ChangeQuery> = {}): Promise<FoundChanges> {
    const search = `search-${++searches}`;
    return eventually('the end of the search', async () => {
      const answer = await ask({ search, ...query });
      return answer.state === 'found' ? answer.found : null;
    });
  }

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = `${directory.path}/h`;
    keeper = await start();
    await keeper.engine.createCluster('source', SPEC);
    await untilReady(keeper.engine, 'source');
    await expect(ask({ search: 'too-early' })).rejects.toMatchObject({ code: 'unsupported' });
    await keeper.engine.applyAccess('source', ACCESS);
    await shop('create table public.orders as select n from generate_series(1, 50) n');
    await shop('create table public.gone as select 1 as n');
    earliest = await eventually('a base', async () => (await keeper.engine.restoreWindow('source'))?.earliest);
    await shop('delete from public.orders where n <= 5');
    await shop('drop table public.gone');
    await shop('truncate public.orders');
  }, GENEROUS);

  afterAll(async () => {
    await keeper.kill('SIGTERM');
    await directory.remove();
  }, GENEROUS);

  test(
    'is found with the moment just before each commit, whenever the keeper was killed',
    async () => {
      const answer = ask({ search: 'before-a-kill' }).catch((error: unknown) => error);
      await keeper.kill('SIGKILL');
      await answer;
      keeper = await start();
      await untilReady(keeper.engine, 'source');
      const { changes, from, to, omitted, notes } = await find({ search: 'before-a-kill' });
      expect(changes.map(({ kind, table, rows }) => [kind, `${table?.schema}.${table?.name}`, rows])).toEqual([
        ['delete', 'public.orders', 5],
        ['drop', 'public.gone', null],
        ['truncate', 'public.orders', null],
      ]);
      for (const { committedAt, restoreTo } of changes) {
        expect(restoreTo).toBe(fromMicroseconds(toMicroseconds(committedAt)! - 1n));
        expect([from <= committedAt, committedAt <= to]).toEqual([true, true]);
      }
      expect([omitted, notes]).toEqual([0, []]);
    },
    GENEROUS,
  );

  test(
    'is found in what was committed since a time, of one table, and in nothing else',
    async () => {
      const { changes } = await find({ table: { schema: 'public', name: 'orders' } });
      expect(changes.map(({ kind }) => kind)).toEqual(['delete', 'truncate']);
      const since = changes[1]!.committedAt;
      expect((await find({ since })).changes).toEqual([changes[1]]);
      expect((await find({ kinds: ['update'] })).changes).toEqual([]);
      const before = fromMicroseconds(toMicroseconds(earliest)! - 1n);
      await expect(find({ since: before })).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining(earliest),
      });
      await expect(find({ since: '2999-01-01T00:00:00Z' })).rejects.toMatchObject({ code: 'unsupported' });
      await expect(find({ table: { schema: null, name: 'nothing' } })).rejects.toMatchObject({
        code: 'not_found',
        message: expect.stringContaining('no table "nothing"'),
      });
      await expect(ask({ since: 'yesterday' })).rejects.toMatchObject({ code: 'unsupported' });
    },
    GENEROUS,
  );

  test(
    'is not made up from a damaged archive, which is named',
    async () => {
      const { archive } = homePaths(home).cluster('source');
      const name = (await readdir(archive))
        .filter((file) => file.endsWith('.sealed'))
        .sort()
        .at(-1)!;
      const sealed = await readFile(`${archive}/${name}`);
      sealed[sealed.length - 20]! ^= 1;
      await writeFile(`${archive}/${name}`, sealed);
      await expect(find()).rejects.toMatchObject({ message: expect.stringContaining(name) });
    },
    GENEROUS,
  );

  test(
    'is not looked for where tenants share a cluster',
    async () => {
      await keeper.engine.createCluster('shared', { ...SPEC, tenancy: 'shared' });
      await expect(keeper.engine.findChanges('shared', 'shop', ALL)).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining('Tenants share this cluster'),
      });
      await keeper.engine.destroyCluster('shared');
    },
    GENEROUS,
  );
});
