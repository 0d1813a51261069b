import { execFileSync } from 'node:child_process';
import { chown, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Secret } from '@borealis/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mountable } from '../../../../test/support/mountable.js';
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

const canMount = mountable();

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

/** What the engine told of the archive, in order. */
async function told(): Promise<string[]> {
  const { events } = await keeper.engine.events(null, 0);
  return events.flatMap((event) => (event.type.startsWith('archive-') ? [event.type] : []));
}

test(
  'another content under a name that was archived is told at once, holds up nothing else, and its end is told',
  async () => {
    const name = await switchSegment();
    await archived(name);
    const { uid, gid } = await stat(paths.walSpool);
    const file = `${paths.walSpool}/${name}`;
    await writeFile(`${directory.path}/other`, Buffer.alloc(16 * 1024 * 1024, 'other'));
    await chown(`${directory.path}/other`, uid, gid);
    await rename(`${directory.path}/other`, file);
    await eventually('the alarm', async () => (await told()).length === 1);
    await archived(await switchSegment());
    await keeper.kill('SIGKILL');
    keeper = await startKeeperProcess(home);
    await untilReady(keeper.engine, ID);
    expect((await readFile(file)).includes('other')).toBe(true);
    await rm(file);
    await eventually('the end of it', async () => (await told()).length > 1);
    expect(await told()).toEqual(['archive-failing', 'archive-recovered']);
  },
  GENEROUS,
);

test.skipIf(!isFull)(
  'what PostgreSQL holds back for more than a minute is told, and it catches up by itself',
  async () => {
    const before = (await told()).length;
    await rename(paths.walSpool, `${paths.walSpool}-gone`);
    const name = await switchSegment();
    const longAgo = new Date(Date.now() - 120_000);
    await utimes(`${paths.data}/pg_wal/archive_status/${name}.ready`, longAgo, longAgo);
    await eventually('the alarm', async () => (await told()).length > before);
    await rename(`${paths.walSpool}-gone`, paths.walSpool);
    await switchSegment(); // PostgreSQL tries at once, and not after a minute
    await archived(name);
    await eventually('the end of it', async () => (await told()).length > before + 1);
    expect((await told()).slice(before)).toEqual(['archive-failing', 'archive-recovered']);
  },
  GENEROUS,
);

test.skipIf(!isFull || !canMount)(
  'with no room for the archive the database goes on, and all is archived once there is some (as root)',
  async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'tmpfs', paths.archive]);
    await writeFile(`${paths.archive}/filler`, Buffer.alloc(4096));
    const names: string[] = [];
    try {
      for (let n = 0; n < 3; n++) names.push(await switchSegment());
      await eventually('the files in the spool', async () => {
        const waiting = await readdir(paths.walSpool);
        return names.every((name) => waiting.includes(name));
      });
      await sleep(1500);
      expect((await readdir(paths.archive)).filter((file) => file.endsWith('.sealed'))).toEqual([]);
      expect(await queryDirectly(home, ID, 'select 1 as one')).toEqual([{ one: 1 }]);
    } finally {
      execFileSync('umount', ['-l', paths.archive]);
    }
    for (const name of names) await archived(name);
    await eventually('an empty spool', async () => (await readdir(paths.walSpool)).length === 0);
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
