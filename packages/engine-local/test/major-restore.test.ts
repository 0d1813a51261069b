import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterSpec } from '@borealis/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromMicroseconds, toMicroseconds } from '../src/copies/moment.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { upgradeOf } from './support/majors.js';
import { APP, appAccess } from './support/minor-app.js';
import { queryDirectly } from './support/superuser.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const INSERT = `insert into public.moments default values
  returning n, to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`;

describe.skipIf(!isFull)('a cluster that was given another major (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: KeeperProcess;
  let earliest: string;
  let upgradedAt: string;
  /** Each with the clock as it was in its commit: later than the commit before, and earlier than its own end. */
  const commits: { n: number; at: string }[] = [];
  const query = (sql: string, id = 'source') => queryDirectly(home, id, sql, APP.database);
  const window = () => keeper.engine.restoreWindow('source');

  async function commit(): Promise<void> {
    commits.push((await query(INSERT))[0] as (typeof commits)[number]);
    await sleep(50);
  }

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = `${directory.path}/h`;
    keeper = await startKeeperProcess(home, undefined, { bases: { first: 0 } });
    await keeper.engine.createCluster('source', { ...SPEC, major: '15' });
    await untilReady(keeper.engine, 'source');
    await keeper.engine.applyAccess('source', await appAccess());
    await query('create table public.moments (n serial primary key)');
    await query('create table public.lost as select 1 as n');
    earliest = await eventually('a base', async () => (await window())?.earliest);
    await commit();
    await commit();
    await query('delete from public.lost');
    const done = await upgradeOf(() => keeper.engine, 'source', 'restored-later', '16');
    expect(done).toMatchObject({ state: 'done' });
    await untilReady(keeper.engine, 'source');
    await commit();
    await commit();
    await query('drop table public.lost');
    upgradedAt = (await window())!.formerMajors[0]!.until;
  }, GENEROUS);

  afterAll(async () => {
    await keeper?.kill('SIGTERM');
    await directory?.remove();
  }, GENEROUS);

  /** What is there at that moment, in a copy that is made and thrown away. */
  async function rowsAt(moment: string, major: ClusterSpec['major']): Promise<number[]> {
    const origin = { clusterId: 'source', moment, renames: { databases: [], roles: [] } };
    await keeper.engine.createCluster('copy', { ...SPEC, major, origin });
    const { version } = await untilReady(keeper.engine, 'copy');
    expect(version?.split('.')[0]).toBe(major);
    const rows = (await query('select n from public.moments order by n', 'copy')) as { n: number }[];
    await keeper.engine.destroyCluster('copy');
    return rows.map(({ n }) => n);
  }

  test('can be restored to any moment of both, without a gap', async () => {
    expect(await window()).toMatchObject({ earliest, formerMajors: [{ major: '15', until: upgradedAt }] });
    expect([commits[1]!.at < upgradedAt, upgradedAt < commits[2]!.at]).toEqual([true, true]);
  });

  test(
    'has exactly the commits before a moment, with the major of then',
    async () => {
      expect(await rowsAt(commits[1]!.at, '15')).toEqual([1]);
      expect(await rowsAt(fromMicroseconds(toMicroseconds(upgradedAt)! - 1n), '15')).toEqual([1, 2]);
      expect(await rowsAt(upgradedAt, '16')).toEqual([1, 2]);
      expect(await rowsAt(commits[3]!.at, '16')).toEqual([1, 2, 3]);
    },
    GENEROUS,
  );

  test('is not restored with another major than that of then', async () => {
    for (const [moment, major] of [
      [commits[1]!.at, '16'],
      [commits[3]!.at, '15'],
    ] as const)
      await expect(
        keeper.engine.createCluster('wrong', {
          ...{ ...SPEC, major },
          origin: { clusterId: 'source', moment, renames: { databases: [], roles: [] } },
        }),
      ).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('at that time') });
    expect(await keeper.engine.cluster('wrong')).toBeNull();
  });

  test(
    'tells what took rows away before and after, and not what the upgrade did',
    async () => {
      const found = await eventually('the end of the search', async () => {
        const kinds = ['delete', 'truncate', 'drop'] as const;
        const asked = { search: 'before-and-after', table: null, kinds: [...kinds], since: null };
        const answer = await keeper.engine.findChanges('source', APP.database, asked);
        return answer.state === 'found' ? answer.found : null;
      });
      expect(found.changes.map(({ kind, table }) => [kind, table?.name])).toEqual([
        ['delete', 'lost'],
        ['drop', 'lost'],
      ]);
    },
    GENEROUS,
  );
});
