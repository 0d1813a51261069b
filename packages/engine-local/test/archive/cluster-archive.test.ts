import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Secret } from '@borealis/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WalArchive } from '../../src/archive/wal-archive.js';
import { type ClusterPaths, homePaths } from '../../src/home/paths.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from '../support/home.js';
import { type KeeperProcess, startKeeperProcess } from '../support/keeper-process.js';
import { queryDirectly } from '../support/superuser.js';
import { tracesOf } from '../support/traces.js';

const isFull = process.env.BOREALIS_TEST === 'full';
/** Milliseconds between a finished segment and the end of the keeper. */
const KILLS = isFull ? [0, 10, 20, 30, 40, 50, 60, 80, 100, 130, 160, 200, 250, 300] : [0, 60, 130];
const ID = 'archived';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let keeper: KeeperProcess;
let paths: ClusterPaths;

beforeAll(async () => {
  directory = await temporaryDirectory();
  home = `${directory.path}/home`;
  paths = homePaths(home).cluster(ID);
  keeper = await startKeeperProcess(home);
  await keeper.engine.createCluster(ID, SPEC);
  await untilReady(keeper.engine, ID);
}, GENEROUS);

afterAll(async () => {
  await keeper.kill('SIGTERM');
  await directory.remove();
}, GENEROUS);

async function archive(): Promise<WalArchive> {
  const { archiveKey } = JSON.parse(await readFile(paths.record, 'utf8')) as { archiveKey: string };
  const key = new Secret(Buffer.from(archiveKey, 'base64'));
  return new WalArchive({ directory: paths.archive, spool: paths.walSpool, uid: 0, key });
}

async function switchSegment(): Promise<string> {
  await queryDirectly(home, ID, 'select txid_current()');
  const rows = await queryDirectly(home, ID, 'select pg_walfile_name(pg_switch_wal()) as name');
  return (rows as { name: string }[])[0]!.name;
}

const archived = (name: string) => eventually(`${name} in the archive`, async () => (await archive()).has(name));

test(
  'a cluster of one tenant archives from birth, sealed, and closed to all but the keeper',
  async () => {
    const name = await switchSegment();
    await archived(name);
    await eventually('an empty spool', async () => (await readdir(paths.walSpool)).length === 0);
    const parts: Buffer[] = [];
    for await (const part of (await archive()).read(name)) parts.push(part);
    expect(Buffer.concat(parts).length).toBe(16 * 1024 * 1024);
    for (const path of [paths.archive, paths.walSpool]) expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await stat(paths.archive)).uid).toBe(process.getuid!());
    expect((await stat(paths.record)).mode & 0o777).toBe(0o600);
  },
  GENEROUS,
);

test('a database where nothing happens ends no segment', async () => {
  const rows = await queryDirectly(home, ID, `select current_setting('archive_timeout') as seconds`);
  expect(rows).toEqual([{ seconds: '0' }]);
});

test(
  'killed at any moment, the keeper archives every segment once, and without a gap',
  async () => {
    const names: string[] = [];
    for (const milliseconds of KILLS) {
      names.push(await switchSegment(), await switchSegment());
      await sleep(milliseconds);
      await keeper.kill('SIGKILL');
      names.push(await switchSegment());
      keeper = await startKeeperProcess(home);
    }
    await archived(names.at(-1)!);
    await eventually('an empty spool', async () => (await readdir(paths.walSpool)).length === 0);
    const all = await archive();
    expect(await all.gaps(names[0]!)).toEqual([]);
    for (const name of names) for await (const part of all.read(name)) expect(part.length).toBeGreaterThan(0);
    expect((await readdir(paths.archive)).filter((file) => !file.endsWith('.sealed'))).toEqual([]);
  },
  GENEROUS,
);

test(
  'a cluster made by a version that archived nothing archives from the next start of its PostgreSQL',
  async () => {
    await keeper.kill('SIGTERM');
    const record = JSON.parse(await readFile(paths.record, 'utf8')) as Record<string, unknown>;
    const { archiveKey: _, ...before } = record;
    await writeFile(paths.record, JSON.stringify(before));
    keeper = await startKeeperProcess(home);
    await untilReady(keeper.engine, ID);
    await archived(await switchSegment());
  },
  GENEROUS,
);

test.skipIf(!isFull)(
  'a shared cluster has no archive',
  async () => {
    await keeper.engine.createCluster('shared', { ...SPEC, tenancy: 'shared' });
    await untilReady(keeper.engine, 'shared');
    expect(await queryDirectly(home, 'shared', 'show archive_mode')).toEqual([{ archive_mode: 'off' }]);
    expect(await readdir(homePaths(home).cluster('shared').directory)).not.toContain('archive');
  },
  GENEROUS,
);

test(
  'a destroy leaves nothing of archive and key',
  async () => {
    await keeper.engine.destroyCluster(ID);
    expect(await tracesOf(home, ID)).toEqual([]);
  },
  GENEROUS,
);
