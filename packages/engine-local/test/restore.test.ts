import { readdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterAccess, ClusterOrigin, ClusterSpec } from '@borealis/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_POLICY, isDue, superfluous } from '../src/copies/base-policy.js';
import type { Base } from '../src/copies/bases.js';
import { fromMicroseconds, toMicroseconds } from '../src/copies/moment.js';
import { homePaths } from '../src/home/paths.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { queryDirectly } from './support/superuser.js';
import { tracesOf } from './support/traces.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const RENAMES: ClusterOrigin['renames'] = { databases: [], roles: [] };
const INSERT = `insert into public.moments default values returning n,
  to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`;

const ACCESS: ClusterAccess = {
  revision: 1,
  databases: [{ name: 'past', owner: 'app_rw_past' }],
  roles: [{ name: 'app_rw_past', database: 'past', verifiers: [], validUntil: null }],
  tunnelUsers: [],
};

const restored = (moment: string): ClusterSpec => ({
  ...SPEC,
  origin: { clusterId: 'source', moment, renames: RENAMES },
});

describe.skipIf(!isFull)('a restore to a past moment (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: KeeperProcess;
  let earliest: string;
  const commits: { n: number; at: string }[] = [];
  const start = () => startKeeperProcess(home, undefined, { bases: { first: 0 } });
  const numbers = async (id: string) =>
    (await queryDirectly(home, id, 'select n from public.moments order by n', 'past')) as { n: number }[];

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = `${directory.path}/h`;
    keeper = await start();
    await keeper.engine.createCluster('source', SPEC);
    await untilReady(keeper.engine, 'source');
    expect(await keeper.engine.restoreWindow('source')).toEqual({ earliest: null, latest: null, formerMajors: [] });
    await keeper.engine.applyAccess('source', ACCESS);
    await queryDirectly(home, 'source', 'create table public.moments (n serial primary key)', 'past');
    earliest = await eventually('a base', async () => (await keeper.engine.restoreWindow('source'))?.earliest);
    for (let count = 0; count < 4; count++) {
      commits.push(((await queryDirectly(home, 'source', INSERT, 'past')) as typeof commits)[0]!);
      await sleep(50);
    }
  }, GENEROUS);

  afterAll(async () => {
    await keeper.kill('SIGTERM');
    await directory.remove();
  }, GENEROUS);

  test(
    'has exactly the commits before it, wherever the keeper is killed meanwhile',
    async () => {
      // The clock as it was in the third commit: later than the second one, and earlier than the end of the third.
      const spec = restored(commits[2]!.at);
      await keeper.engine.createCluster('third', spec);
      for (const milliseconds of [100, 700, 1500]) {
        await sleep(milliseconds);
        await keeper.kill('SIGKILL');
        keeper = await start();
      }
      await untilReady(keeper.engine, 'third');
      expect(await numbers('third')).toEqual(commits.slice(0, 2).map(({ n }) => ({ n })));
      await keeper.engine.applyAccess('third', ACCESS);
      await queryDirectly(home, 'third', 'set role app_rw_past; create table more ()', 'past');
      const conf = await readFile(`${homePaths(home).cluster('third').data}/postgresql.conf`, 'utf8');
      expect(conf).not.toContain('recovery_target');
      expect(await readdir(homePaths(home).cluster('third').directory)).not.toContain('wal-stage');
      // It can be restored itself from its first base on.
      await eventually('a base of its own', async () => (await keeper.engine.restoreWindow('third'))?.earliest);
      await keeper.engine.destroyCluster('third');
      expect(await tracesOf(home, 'third')).toEqual([]);
    },
    GENEROUS,
  );

  test(
    'has all of them at a moment after the last, though nothing was written since',
    async () => {
      const { latest } = (await keeper.engine.restoreWindow('source'))!;
      await keeper.engine.createCluster('newest', restored(latest!.replace('Z', '+00:00')));
      await untilReady(keeper.engine, 'newest');
      expect(await numbers('newest')).toEqual(commits.map(({ n }) => ({ n })));
      await keeper.engine.destroyCluster('newest');
    },
    GENEROUS,
  );

  test('is refused outside of the window with both of its ends', async () => {
    const justBefore = fromMicroseconds(toMicroseconds(earliest)! - 1n);
    for (const moment of [justBefore, '2999-01-01T00:00:00Z'])
      await expect(keeper.engine.createCluster('nowhere', restored(moment))).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringMatching(new RegExp(`to any moment from ${earliest} to 2.*Z, and .* is none of them`)),
      });
    expect(await keeper.engine.cluster('nowhere')).toBeNull();
  });

  test(
    'is not made from a damaged archive, and says which file it is',
    async () => {
      const { archive } = homePaths(home).cluster('source');
      const moment = (await keeper.engine.restoreWindow('source'))!.latest!;
      await queryDirectly(home, 'source', 'select txid_current(), pg_switch_wal()');
      const name = (await readdir(archive))
        .filter((file) => file.endsWith('.sealed'))
        .sort()
        .at(-1)!;
      const sealed = await readFile(`${archive}/${name}`);
      sealed[sealed.length - 20]! ^= 1;
      await writeFile(`${archive}/${name}`, sealed);
      await keeper.engine.createCluster('damaged', restored(moment));
      await eventually('the sentence', async () =>
        (await keeper.engine.cluster('damaged'))?.detail.includes(`${name}" is damaged`),
      );
      await keeper.engine.destroyCluster('damaged');
      expect(await tracesOf(home, 'damaged')).toEqual([]);
    },
    GENEROUS,
  );
});

describe('bases', () => {
  const NOW = Date.parse('2026-06-15T12:00:00Z');
  const HOUR = 3600;
  const made = (hoursAgo: number, method: Base['method'] = 'reflink') =>
    ({ method, stoppedAt: new Date(NOW - hoursAgo * HOUR * 1000).toISOString() }) as Base;
  const left = (ages: number[], method: Base['method'] = 'reflink') => {
    const bases = ages.map((age) => made(age, method));
    const gone = superfluous(bases, BASE_POLICY, NOW);
    return ages.filter((_, index) => !gone.includes(bases[index]!));
  };

  test('are due sooner where they share their blocks', () => {
    expect([made(2), made(2, 'plain'), made(25, 'plain')].map((base) => isDue(base, BASE_POLICY, NOW))).toEqual([
      true,
      false,
      true,
    ]);
  });

  test('go when a later one is as old as what is kept, never the last, and are thinned out after a day', () => {
    expect(left([24 * 30])).toEqual([24 * 30]);
    expect(left([24 * 9, 24 * 8, 24 * 6])).toEqual([24 * 8, 24 * 6]);
    expect(left([72, 60, 48, 30, 25, 23, 22, 1])).toEqual([72, 48, 23, 22, 1]);
  });

  test('are few where each takes its whole size, and still reach back as far', () => {
    let bases: number[] = [];
    for (let day = 0; day < 60; day++) {
      bases = left([...bases.map((age) => age + 24), 0], 'plain');
      expect(bases.length).toBeLessThanOrEqual(4);
      expect(bases[0]).toBeGreaterThanOrEqual(Math.min(day, 7) * 24);
    }
  });
});

test('a moment is read to the microsecond in any zone, and nothing else is one', () => {
  expect(fromMicroseconds(toMicroseconds('2026-03-04T05:06:07.123456+02:00')!)).toBe('2026-03-04T03:06:07.123456Z');
  expect(toMicroseconds('2026-03-04T05:06:07.5Z')! - toMicroseconds('2026-03-04T05:06:07Z')!).toBe(500_000n);
  for (const text of ['2026-03-04T05:06:07', 'yesterday', '2026-13-04T05:06:07Z'])
    expect(toMicroseconds(text)).toBeNull();
});
