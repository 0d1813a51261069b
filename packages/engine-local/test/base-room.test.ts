import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import type { ClusterAccess, ClusterSpec, EngineEvent } from '@borealis/engine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mountable } from '../../../test/support/mountable.js';
import { homePaths } from '../src/home/paths.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { queryDirectly } from './support/superuser.js';

const DISK_MIB = 640;
const MIB = 1024 * 1024;
const skipped = process.env.BOREALIS_TEST !== 'full' || !mountable();

const ACCESS: ClusterAccess = { revision: 1, databases: [], roles: [], tunnelUsers: [] };
const COPY: ClusterSpec = {
  ...SPEC,
  origin: { clusterId: 'source', moment: null, renames: { databases: [], roles: [] } },
};

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let disk: string;
let home: string;
let keeper: KeeperProcess;
const start = () => startKeeperProcess(home, undefined, { bases: { first: 0 } });

beforeAll(async () => {
  if (skipped) return;
  directory = await temporaryDirectory();
  disk = `${directory.path}/disk`;
  home = `${disk}/h`;
  await mkdir(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', disk]);
  await chmod(disk, 0o755);
  keeper = await start();
  await keeper.engine.createCluster('source', SPEC);
  await untilReady(keeper.engine, 'source');
}, GENEROUS);

afterAll(async () => {
  if (skipped) return;
  await keeper.kill('SIGTERM');
  execFileSync('umount', ['-l', disk]);
  await directory.remove();
}, GENEROUS);

/** Leaves so many bytes free on the disk. */
async function leave(bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(disk);
  execFileSync('fallocate', ['-l', String(bavail * bsize - bytes), `${disk}/filler`]);
}

const empty = () => rm(`${disk}/filler`, { force: true });
const bases = () => readdir(homePaths(home).cluster('source').bases).catch((): string[] => []);

async function told(): Promise<EngineEvent[]> {
  const { events } = await keeper.engine.events(null, 0);
  return events.filter(({ type }) => type.startsWith('bases-'));
}

test.skipIf(skipped)(
  'without room for a base none is begun, which is told once, as is its end (as root, in the full suite)',
  async () => {
    // More than an eighth of the disk, which stays free, and less than that and the 40 MB of a base.
    await leave(96 * MIB);
    await keeper.engine.applyAccess('source', ACCESS);
    const [event] = await eventually('the alarm', async () => ((await told()).length > 0 ? told() : null));
    expect(event).toMatchObject({
      type: 'bases-failing',
      what: expect.stringMatching(/needs \d+ MB on the disk, 84 MB of which stay free, and there are \d+ MB\.$/),
    });
    expect(await bases()).toEqual([]);
    await empty();
    await eventually('the end of it', async () => (await told()).length > 1);
    expect((await told()).map(({ type }) => type)).toEqual(['bases-failing', 'bases-recovered']);
    await eventually('a base', async () => (await bases()).length > 0);
  },
  GENEROUS,
);

/** Makes a base so many days old. */
async function age(base: string, days: number): Promise<void> {
  const note = JSON.parse(await readFile(`${base}/base.json`, 'utf8')) as { stoppedAt: string };
  const stoppedAt = new Date(Date.now() - days * 86_400_000).toISOString();
  await writeFile(`${base}/base.next`, JSON.stringify({ ...note, stoppedAt }));
  await rename(`${base}/base.next`, `${base}/base.json`);
}

test.skipIf(skipped)(
  'where that makes room, what the next base makes superfluous goes before it (as root, in the full suite)',
  async () => {
    const { bases: place, archive } = homePaths(home).cluster('source');
    const [first] = await bases();
    await cp(`${place}/${first}`, `${place}/.second`, { recursive: true });
    await age(`${place}/.second`, 2);
    const archived = async () => (await readdir(archive)).filter((name) => name.endsWith('.sealed')).length;
    const before = await archived();
    for (let n = 0; n < 4; n++)
      for (const sql of ['select txid_current()', 'select pg_switch_wal()']) await queryDirectly(home, 'source', sql);
    await eventually('the log in the archive', async () => (await archived()) >= before + 4);
    await leave(100 * MIB);
    // As if the first were three days old: the second is the newest, a day older than a base has to be.
    await rename(`${place}/.second`, `${place}/second`);
    await age(`${place}/${first}`, 3);
    const left = await eventually('another base', async () => {
      const names = await bases();
      return names.length === 2 && !names.includes('second') ? names : null;
    });
    expect(left).toContain(first);
    expect(await told()).toHaveLength(2);
    await empty();
  },
  GENEROUS,
);

test.skipIf(skipped)(
  'without room for a copy none is begun, and the refusal says how much there must be (as root, in the full suite)',
  async () => {
    await leave(64 * MIB);
    const refusal = { code: 'no_room', message: expect.stringMatching(/A copy of "source" needs \d+ MB/) };
    await expect(keeper.engine.createCluster('copy', COPY)).rejects.toMatchObject(refusal);
    expect(await keeper.engine.cluster('copy')).toBeNull();
    const moment = (await keeper.engine.restoreWindow('source'))!.earliest!;
    const past = { ...COPY, origin: { ...COPY.origin!, moment } };
    await expect(keeper.engine.createCluster('copy', past)).rejects.toMatchObject(refusal);
    expect(await readdir(homePaths(home).clusters)).toEqual(['source']);
    await empty();
    await keeper.engine.createCluster('copy', COPY);
    await untilReady(keeper.engine, 'copy');
  },
  GENEROUS,
);

test.skipIf(skipped)(
  'room that is gone when the copying begins is waited for, with nothing half-made (as root, in the full suite)',
  async () => {
    await keeper.kill('SIGTERM');
    const { record, data, postgres } = homePaths(home).cluster('copy');
    const before = JSON.parse(await readFile(record, 'utf8')) as Record<string, unknown>;
    await writeFile(record, JSON.stringify({ ...before, born: false }));
    await rm(data, { recursive: true });
    await leave(64 * MIB);
    keeper = await start();
    await eventually('the sentence', async () =>
      (await keeper.engine.cluster('copy'))?.detail.includes('A copy of "source" needs'),
    );
    expect((await readdir(postgres)).filter((name) => name.startsWith('data'))).toEqual([]);
    await empty();
    await untilReady(keeper.engine, 'copy');
  },
  GENEROUS,
);
