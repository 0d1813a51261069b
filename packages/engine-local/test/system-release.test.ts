import { cp, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresMajor } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import { cacheDirectory, ensureRelease, systemVersion } from '@borealis/postgres';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { homePaths } from '../src/home/paths.js';
import { type Keeper, startKeeper } from '../src/keeper.js';
import { findProcesses } from '../src/system/process-identity.js';
import { eventually, GENEROUS, gatewayBundle, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { APP, appAccess } from './support/minor-app.js';
import { NEWER, OLDER, outcomeOf } from './support/minors.js';
import { killNode, nodesOf, queryNode, untilProtected } from './support/nodes.js';
import { queryDirectly } from './support/superuser.js';

/** All of this takes long. */
const isFull = process.env.BOREALIS_TEST === 'full';
const fullTest = test.skipIf(!isFull);
/** Debian's own. */
const DEBIAN: PostgresMajor = '15';
const installed = await systemVersion(DEBIAN);

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let cacheDir: string;
let systemRoot: string;
let keeper: Keeper | undefined;

beforeAll(async () => {
  if (!isFull) return;
  directory = await temporaryDirectory();
  home = join(directory.path, 'home');
  cacheDir = join(directory.path, 'cache');
  systemRoot = join(directory.path, 'usr');
});

afterEach(async () => {
  try {
    for (const id of ['minors', 'copied', 'debian', 'fresh']) await keeper?.engine.destroyCluster(id);
  } finally {
    await stop();
  }
}, GENEROUS);

afterAll(() => directory?.remove());

async function start(root: string | undefined, postgresBuild: 'npm' | 'system' = 'system'): Promise<Engine> {
  const system = { postgresBuild, ...(root === undefined ? {} : { systemRoot: root }) };
  const log = pino({ level: 'silent' });
  keeper = await startKeeper({ home, cacheDir, gatewayBundle: gatewayBundle(), log, ...system });
  return keeper.engine;
}

async function stop(): Promise<void> {
  await keeper?.stop({ clusters: true });
  keeper = undefined;
}

/** Puts a release in the place of what is installed, as a package manager does; programs that run keep their files. */
async function install(version: string): Promise<void> {
  const { root } = await ensureRelease({ version, cacheDir: cacheDirectory() });
  const place = join(systemRoot, 'lib/postgresql/16');
  await mkdir(join(systemRoot, 'lib/postgresql'), { recursive: true });
  await mkdir(join(systemRoot, 'share/postgresql/16'), { recursive: true });
  await cp(root, `${place}.new`, { recursive: true, verbatimSymlinks: true });
  await rm(`${place}.new/release.json`);
  await rm(place, { recursive: true, force: true });
  await rename(`${place}.new`, place);
}

const version = async (id: string) => (await queryDirectly(home, id, 'show server_version_num'))[0];
const numberOf = (release: string) => {
  const [major, minor] = release.split('.').map(Number);
  return { server_version_num: String(major! * 10_000 + minor!) };
};
/** How many programs of the cache's copy run. */
const programs = async (release: string, major: string) =>
  (await findProcesses(null, join(cacheDir, `postgresql-${release}-system/lib/postgresql/${major}/bin/postgres`)))
    .length;
const systemOffer = async (engine: Engine, major: string) =>
  (await engine.releases()).find((offer) => offer.major === major)?.system;

fullTest(
  'what a package manager replaces is noticed and tried, changes nothing beneath what runs, and what it lost is replaced',
  async () => {
    await install(OLDER);
    let engine = await start(systemRoot);
    await engine.createCluster('minors', { ...SPEC, nodes: 2 });
    expect(await untilReady(engine, 'minors')).toMatchObject({ version: OLDER, build: 'system' });
    await engine.applyAccess('minors', await appAccess());
    await queryDirectly(home, 'minors', 'create table kept as select 7 as value', APP.database);
    await untilProtected(home, 'minors');
    await install(NEWER);
    expect(await systemOffer(engine, '16')).toBe(NEWER);
    expect(await version('minors')).toEqual(numberOf(OLDER));
    expect(await programs(OLDER, '16')).toBeGreaterThan(0);
    const other = { request: 'no-such-release', version: '16.1', force: false, patienceSeconds: 1 };
    await expect(engine.upgradeMinor('minors', other)).rejects.toThrow(
      `PostgreSQL 16.1 is not offered; this system has PostgreSQL ${NEWER}.`,
    );
    const done = await outcomeOf(() => engine, 'minors', { request: 'was-noticed', version: null });
    expect(done).toMatchObject({ state: 'done', from: OLDER, to: NEWER });
    expect(await version('minors')).toEqual(numberOf(NEWER));
    await eventually('the new release on the standby', async () => {
      const [found] = await queryNode(home, 'minors', 2, 'show server_version_num').catch(() => []);
      return (found as Record<string, string>)?.server_version_num === numberOf(NEWER).server_version_num;
    });
    await untilProtected(home, 'minors');
    // What it came from is gone from the system, and still there.
    const back = await outcomeOf(() => engine, 'minors', { request: 'goes-back', version: OLDER });
    expect(back).toMatchObject({ state: 'done', to: OLDER });
    await stop();
    // It is the cluster's for life, whatever the setting says; and the cache may be lost.
    await rm(join(cacheDir, `postgresql-${OLDER}-system`), { recursive: true });
    engine = await start(systemRoot, 'npm');
    expect(await untilReady(engine, 'minors')).toMatchObject({ version: NEWER, build: 'system' });
    expect(await programs(NEWER, '16')).toBeGreaterThan(0);
    expect(await queryDirectly(home, 'minors', 'select value from kept', APP.database)).toEqual([{ value: 7 }]);
    await engine.createCluster('fresh', SPEC);
    const origin = { clusterId: 'minors', moment: null, renames: { databases: [], roles: [] } };
    await engine.createCluster('copied', { ...SPEC, origin });
    expect(await untilReady(engine, 'copied')).toMatchObject({ version: NEWER, build: 'system' });
    expect(await untilReady(engine, 'fresh')).toMatchObject({ version: NEWER, build: 'npm' });
    const major = { request: 'major-of-npm', major: '17', patienceSeconds: 1 } as const;
    await expect(engine.upgradeMajor('minors', major)).rejects.toThrow('This system has no PostgreSQL 17, and');
  },
  GENEROUS,
);

test.skipIf(!isFull || installed === null)(
  `Debian's PostgreSQL ${DEBIAN} (package postgresql-${DEBIAN}) runs a cluster by a copy, with its extensions; other majors come from npm`,
  async () => {
    const engine = await start(undefined);
    expect(await systemOffer(engine, DEBIAN)).toBe(installed);
    await engine.createCluster('debian', { ...SPEC, major: DEBIAN, nodes: 2 });
    await engine.createCluster('fresh', { ...SPEC, major: '16' });
    expect(await untilReady(engine, 'debian')).toMatchObject({ version: installed, build: 'system' });
    expect(await untilReady(engine, 'fresh')).toMatchObject({ build: 'npm' });
    await engine.applyAccess('debian', await appAccess());
    expect(await programs(installed!, DEBIAN)).toBeGreaterThan(0);
    expect(await version('debian')).toEqual(numberOf(installed!));
    const { available } = await engine.extensions('debian', APP.database);
    expect(available.map(({ name }) => name)).toEqual(expect.arrayContaining(['citext', 'pg_trgm', 'pgcrypto']));
    await engine.installExtension('debian', APP.database, 'citext');
    const done = await outcomeOf(() => engine, 'debian', { request: 'there-already', version: null });
    expect(done).toMatchObject({ state: 'done', to: installed });
    await untilProtected(home, 'debian');
    await queryNode(home, 'debian', 1, 'create table kept as select 7 as value');
    await killNode(home, 'debian', 1);
    await eventually('the standby to take over', async () => (await nodesOf(home, 'debian')).primary === 2);
    expect(await queryNode(home, 'debian', 2, 'select value from kept')).toEqual([{ value: 7 }]);
    await untilProtected(home, 'debian');
    const record = JSON.parse(await readFile(homePaths(home).cluster('debian').record, 'utf8'));
    expect(record).toMatchObject({ build: 'system', version: installed });
  },
  GENEROUS,
);
