import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { Secret } from '@borealis/contract';
import type { ClusterAccess } from '@borealis/engine';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { mountable } from '../../../test/support/mountable.js';
import { WalArchive } from '../src/archive/wal-archive.js';
import { missingFiles } from '../src/archive/wal-gaps.js';
import { type ClusterPaths, homePaths } from '../src/home/paths.js';
import { ClusterBackup, walObject } from '../src/store/cluster-backup.js';
import { DirectoryStore } from '../src/store/directory-store.js';
import { listStoredBases } from '../src/store/stored-bases.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { queryDirectly } from './support/superuser.js';

const skipped = process.env.BOREALIS_TEST !== 'full' || !mountable();
const ID = 'tight';
const DISK_MIB = 448;
const STORE_MIB = 256;
const WRAPPING_KEY = new Secret(randomBytes(32));
const ACCESS: ClusterAccess = {
  revision: 1,
  databases: [{ name: 'app', owner: 'app_rw_tight' }],
  roles: [{ name: 'app_rw_tight', database: 'app', verifiers: [], validUntil: null }],
  tunnelUsers: [],
};

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let disk: string;
let home: string;
let keeper: KeeperProcess;
let paths: ClusterPaths;
let store: DirectoryStore;
/** Mounted by a test, and taken away after it. */
let over: string | null = null;

const tmpfs = (path: string, mebibytes: number) =>
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path]);

beforeAll(async () => {
  if (skipped) return;
  directory = await temporaryDirectory();
  disk = `${directory.path}/d`;
  home = `${disk}/h`;
  paths = homePaths(home).cluster(ID);
  store = new DirectoryStore(`${directory.path}/s`);
  for (const [path, mebibytes] of [
    [disk, DISK_MIB],
    [store.location, STORE_MIB],
  ] as const) {
    await mkdir(path);
    tmpfs(path, mebibytes);
    await chmod(path, 0o755);
  }
  // Nobody but the tests ends a segment of the log: there are no bases, and there is no store.
  keeper = await startKeeperProcess(home, undefined, { bases: { first: 86_400 }, archive: { lateMs: 2000 } });
  await keeper.engine.createCluster(ID, SPEC);
  await untilReady(keeper.engine, ID);
  await keeper.engine.applyAccess(ID, ACCESS);
  await sql('create table public.rows (n int)');
}, GENEROUS);

afterEach(async () => {
  if (skipped) return;
  if (over) execFileSync('umount', ['-l', over]);
  over = null;
  for (const place of [disk, store.location]) await empty(place);
});

afterAll(async () => {
  if (skipped) return;
  await keeper?.kill('SIGTERM');
  for (const path of [disk, store.location]) execFileSync('umount', ['-l', path]);
  await directory.remove();
}, GENEROUS);

const sql = (text: string) => queryDirectly(home, ID, text, 'app');
const count = async () => ((await sql('select count(*)::int from public.rows')) as { count: number }[])[0]!.count;

async function switchSegment(): Promise<string> {
  await sql('select txid_current()');
  return ((await sql('select pg_walfile_name(pg_switch_wal()) as name')) as { name: string }[])[0]!.name;
}

/** Fills a disk to its last byte. */
async function fill(place: string): Promise<void> {
  for (const size of [1024 * 1024, 4096, 1]) {
    const block = Buffer.alloc(size);
    const filler = `${place}/filler-${size}`;
    try {
      for (;;) await writeFile(filler, block, { flag: 'a' });
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' });
    }
  }
}

async function empty(place: string): Promise<void> {
  for (const name of await readdir(place)) if (name.startsWith('filler')) await rm(`${place}/${name}`);
}

async function told(kind: string): Promise<{ type: string; what: string }[]> {
  const { events } = await keeper.engine.events(null, 0);
  return events.flatMap((event) =>
    event.type.startsWith(kind) && 'what' in event ? [{ type: event.type, what: String(event.what) }] : [],
  );
}

async function archive(): Promise<WalArchive> {
  const { archiveKey } = JSON.parse(await readFile(paths.record, 'utf8')) as { archiveKey: string };
  const key = new Secret(Buffer.from(archiveKey, 'base64'));
  return new WalArchive({ directory: paths.archive, spool: paths.walSpool, uid: 0, key });
}

/** Waits until these are archived, and nothing waits any more; then there is no gap between them. */
async function untilArchived(names: readonly string[]): Promise<void> {
  const all = await archive();
  await eventually('all in the archive', async () => (await all.has(names.at(-1)!)) && (await all.has(names[0]!)));
  await eventually('an empty spool', async () => (await readdir(paths.walSpool)).length === 0);
  expect(await all.gaps(names[0]!)).toEqual([]);
}

const serverPid = async () => Number((await readFile(`${paths.data}/postmaster.pid`, 'utf8')).split('\n')[0]);

test.skipIf(skipped)(
  'on a full disk what grows is refused and all else is answered; with room again it goes on by itself (as root, in the full suite)',
  async () => {
    await sql('insert into public.rows select generate_series(1, 1000)');
    const before = await serverPid();
    const large = `create table public.large as select repeat('x', 1000) as x from generate_series(1, 3000)`;
    // A new segment of the log has its room before the disk is full.
    await switchSegment();
    await sql('insert into public.rows values (1)');
    await fill(disk);
    await expect(sql(large)).rejects.toMatchObject({ code: '53100' });
    expect(await count()).toBe(1001);
    await sql('update public.rows set n = 0 where n = 1');
    expect(await serverPid()).toBe(before);
    await empty(disk);
    await sql(large);
    await sql('drop table public.large');
    expect(await serverPid()).toBe(before);
    expect((await keeper.engine.cluster(ID))?.phase).toBe('ready');
  },
  GENEROUS,
);

test.skipIf(skipped)(
  'a server that ends because its log has no room comes back by itself with every commit, and nothing is rebuilt (as root, in the full suite)',
  async () => {
    const before = await count();
    const { generation } = JSON.parse(await readFile(paths.record, 'utf8')) as { generation: number };
    await fill(disk);
    let written = 0;
    for (let isOver = false; !isOver; ) {
      const one = sql(
        `insert into public.rows values (-1); select pg_logical_emit_message(true, 'x', repeat('x', 4000000))`,
      );
      isOver = await one.then(
        () => false,
        () => true,
      );
      if (!isOver) written++;
    }
    await empty(disk);
    await untilReady(keeper.engine, ID);
    const found = await eventually('an answer', () => count().catch(() => null));
    // The last one was not acknowledged: it may be there or not.
    expect([before + written, before + written + 1]).toContain(found);
    const now = JSON.parse(await readFile(paths.record, 'utf8')) as { generation: number };
    expect(now.generation).toBe(generation);
    expect((await keeper.engine.events(null, 0)).events.map(({ type }) => type)).not.toContain('cluster-rebuilt');
    await sql('insert into public.rows values (1)');
  },
  GENEROUS,
);

test.skipIf(skipped)(
  'with no room in the spool the database goes on, which is told, and the archive catches up without a gap (as root, in the full suite)',
  async () => {
    await untilArchived([await switchSegment()]);
    const { uid, gid } = await stat(paths.walSpool);
    over = paths.walSpool;
    tmpfs(over, 1);
    await chown(over, uid, gid);
    await chmod(over, 0o700);
    const names = [await switchSegment(), await switchSegment(), await switchSegment()];
    const longAgo = new Date(Date.now() - 120_000);
    await utimes(`${paths.data}/pg_wal/archive_status/${names[0]}.ready`, longAgo, longAgo);
    const [failing] = await eventually('the alarm', async () => {
      const events = await told('archive-');
      return events.length > 0 ? events : null;
    });
    expect(failing).toMatchObject({ type: 'archive-failing', what: expect.stringContaining('into the spool') });
    await sql('insert into public.rows values (1)');
    // What PostgreSQL could copy in part is gone again.
    await eventually('nothing by halves', async () => (await readdir(over!)).length === 0);
    execFileSync('umount', ['-l', over]);
    over = null;
    names.push(await switchSegment());
    await untilArchived(names);
    await eventually('its end', async () => (await told('archive-')).length > 1);
    expect((await told('archive-')).map(({ type }) => type)).toEqual(['archive-failing', 'archive-recovered']);
  },
  GENEROUS,
);

test.skipIf(skipped)(
  'with no room for the archive the database goes on, which is told, and it catches up without a gap (as root, in the full suite)',
  async () => {
    const before = (await told('archive-')).length;
    over = paths.archive;
    tmpfs(over, 1);
    await fill(over);
    const names = [await switchSegment(), await switchSegment(), await switchSegment()];
    const failing = await eventually('the alarm', async () => (await told('archive-'))[before]);
    expect(failing).toEqual({ type: 'archive-failing', what: 'There is no room left on the disk.' });
    expect((await readdir(over)).filter((file) => !file.startsWith('filler'))).toEqual([]);
    await sql('insert into public.rows values (1)');
    execFileSync('umount', ['-l', over]);
    over = null;
    await untilArchived(names);
    const recovered = await eventually('its end', async () => (await told('archive-'))[before + 1]);
    expect(recovered.type).toBe('archive-recovered');
  },
  GENEROUS,
);

test.skipIf(skipped)(
  'with no room in the object store the database goes on, which is told, and the store catches up without a gap (as root, in the full suite)',
  async () => {
    await keeper.kill('SIGKILL');
    const options = { location: store.location, wrappingKey: WRAPPING_KEY, lateMs: 1000 };
    keeper = await startKeeperProcess(home, undefined, { bases: { first: 0 }, store: options });
    const backup = await eventually('a base in the store', async () => {
      const { id } = JSON.parse(await readFile(homePaths(home).identity, 'utf8')) as { id: string };
      const opened = await ClusterBackup.open(store, `${id}-${ID}`, WRAPPING_KEY).catch(() => null);
      return opened && (await listStoredBases(opened)).bases.length > 0 ? opened : null;
    });
    await fill(store.location);
    const before = (await told('store-')).length;
    await sql(`insert into public.rows select generate_series(1, 20000)`);
    const names = [await switchSegment(), await switchSegment()];
    const failing = await eventually('the alarm', async () => (await told('store-'))[before]);
    expect(failing).toEqual({
      type: 'store-failing',
      what: `There is no room left in the store ${store.location}.`,
    });
    await sql('insert into public.rows values (1)');
    await untilArchived(names);
    await empty(store.location);
    await eventually('its end', async () => (await told('store-'))[before + 1]);
    const there = await eventually('all in the store', async () => {
      const stored = await backup.walNames();
      return names.every((name) => stored.includes(name)) ? stored : null;
    });
    const [oldest] = (await listStoredBases(backup)).bases;
    expect(await missingFiles(there, oldest!.firstSegment, (name) => backup.text(walObject(name)))).toEqual([]);
    expect((await readdir(store.location, { recursive: true })).filter((file) => /unfinished/.test(file))).toEqual([]);
  },
  GENEROUS,
);
