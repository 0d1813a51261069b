import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { DEFAULT_POSTGRES_MAJOR, formatVerifier, makeVerifier, type PostgresMajor } from '@borealis/contract';
import { keepsBackups } from './backup-conformance.js';
import { GENEROUS, rejects, untilChanged, untilReady } from './conformance-support.js';
import { copiesCluster } from './copy-conformance.js';
import { type Clients, rotatesCredentials } from './credential-conformance.js';
import { type ClusterAccess, type ClusterSpec, type Engine, EngineError, type EngineEvent } from './engine.js';

export type { Clients } from './credential-conformance.js';

/** An engine under test, with nothing in it. */
export interface EngineUnderTest {
  engine: Engine;
  clients: Clients;
  /** False where this machine has nothing to make backups with. */
  canBackUp: boolean;
  /** Makes something happen to the cluster that the engine has to tell as an event. */
  provokeEvent(clusterId: string): Promise<void>;
  cleanup(): Promise<void>;
}

/** The part of a test runner that the suite needs; vitest's own functions fit. */
export interface TestRunner {
  test(name: string, run: () => Promise<void>, milliseconds?: number): void;
  beforeAll(run: () => Promise<void>, milliseconds?: number): void;
  afterAll(run: () => Promise<void>, milliseconds?: number): void;
}

const ID = 'conform1';
const SPEC: ClusterSpec = {
  major: DEFAULT_POSTGRES_MAJOR,
  tenancy: 'isolated',
  nodes: 1,
  vcpu: 1,
  memoryGiB: 1,
  storageGiB: 10,
};

/**
 * What every engine must hold, as tests. They run in this order on one engine and one cluster, which the last of them destroys.
 */
export function engineConformance(
  make: () => Promise<EngineUnderTest>,
  { test, beforeAll, afterAll }: TestRunner,
): void {
  let subject: EngineUnderTest;
  const engine = () => subject.engine;
  beforeAll(async () => {
    subject = await make();
  }, GENEROUS);
  afterAll(() => subject.cleanup(), GENEROUS);

  test('offers exact releases', () => offersReleases(engine()), GENEROUS);
  test('knows nothing of a cluster that was never created', () => ignoresUnknown(engine()), GENEROUS);
  test('refuses what it does not offer', () => refusesUnsupported(engine()), GENEROUS);
  test('creates once, however often it is asked', () => createsOnce(engine()), GENEROUS);
  test('refuses the same cluster with another specification', () => refusesConflict(engine()), GENEROUS);
  test('applies access, adopts a repeated document and guards the revision', () => appliesAccess(engine()), GENEROUS);
  test('refuses a document that contradicts itself and changes nothing', () => refusesBadAccess(engine()), GENEROUS);
  test('drops only a database that is not listed', () => dropsDatabase(engine()), GENEROUS);
  test('ends sessions of unknown names without an error', () => closesUnknown(engine()), GENEROUS);
  test(
    'tells who is in by which credential, and ends exactly those that are named',
    () => rotatesCredentials(subject.engine, subject.clients, ID),
    GENEROUS,
  );
  test('installs and removes extensions, and says what is in the way', () => managesExtensions(engine()), GENEROUS);
  test(
    'copies a running cluster into another with names, passwords and an address of its own',
    () =>
      copiesCluster(subject.engine, subject.clients, {
        id: ID,
        spec: SPEC,
        database: 'conform',
        owner: 'app_rw_conform',
      }),
    GENEROUS,
  );
  test('changes the size of a cluster with what is in it', () => changesSize(engine()), GENEROUS);
  test('keeps backups of a database, and proves them', () => backsUp(subject), GENEROUS);
  test('tells events at least once, in order, from any cursor', () => tellsEvents(subject), GENEROUS);
  test('signs certificates with an authority of its own', () => showsAuthority(engine()), GENEROUS);
  test('destroys everything, however often it is asked', () => destroys(engine()), GENEROUS);
}

async function backsUp({ engine, canBackUp }: EngineUnderTest): Promise<void> {
  await rejects(engine.backUpDatabase(ID, 'conform', '../escape'), 'unsupported');
  await rejects(engine.backUpDatabase('unknown1', 'conform', 'night-1'), 'not_ready');
  if (canBackUp) await keepsBackups(engine, ID, 'conform');
  else await assert.rejects(engine.backUpDatabase(ID, 'conform', 'night-1'), EngineError);
}

async function offersReleases(engine: Engine): Promise<void> {
  const releases = await engine.releases();
  assert.ok(releases.some(({ major }) => major === DEFAULT_POSTGRES_MAJOR));
  for (const { major, version } of releases) assert.match(version, new RegExp(`^${major}\\.\\d+$`));
}

async function changesSize(engine: Engine): Promise<void> {
  const before = (await engine.cluster(ID))!;
  const larger = { ...SPEC, vcpu: 2, memoryGiB: 3, storageGiB: 20 };
  await rejects(engine.changeCluster('unknown1', larger), 'not_ready');
  await rejects(engine.changeCluster(ID, { ...larger, tenancy: 'shared' }), 'unsupported');
  await rejects(engine.changeCluster(ID, { ...larger, major: '17' }), 'unsupported');
  await Promise.all([engine.changeCluster(ID, larger), engine.changeCluster(ID, larger)]);
  const after = await untilChanged(engine, ID);
  assert.deepEqual(after.spec, larger);
  assert.deepEqual(after.gateway, before.gateway);
  assert.equal(after.accessRevision, before.accessRevision);
  assert.ok(((await engine.usage(ID)).conform ?? 0) > 0);
  await rejects(engine.createCluster(ID, SPEC), 'conflict');
  await engine.changeCluster(ID, larger);
  assert.equal((await engine.cluster(ID))?.specInForce, true);
  await engine.changeCluster(ID, SPEC);
  assert.deepEqual((await untilChanged(engine, ID)).spec, SPEC);
}

async function ignoresUnknown(engine: Engine): Promise<void> {
  assert.equal(await engine.cluster('unknown1'), null);
  await engine.destroyCluster('unknown1');
  await rejects(engine.usage('unknown1'), 'not_ready');
  await rejects(engine.credentialUse('unknown1'), 'not_ready');
}

async function refusesUnsupported(engine: Engine): Promise<void> {
  await rejects(engine.createCluster(ID, { ...SPEC, major: '12' as PostgresMajor }), 'unsupported');
  await rejects(engine.createCluster('../escape', SPEC), 'unsupported');
  assert.equal(await engine.cluster(ID), null);
}

async function createsOnce(engine: Engine): Promise<void> {
  const [first, second] = await Promise.all([engine.createCluster(ID, SPEC), engine.createCluster(ID, SPEC)]);
  assert.deepEqual(first.gateway, second.gateway);
  const ready = await untilReady(engine, ID);
  assert.deepEqual(ready.spec, SPEC);
  assert.equal(ready.accessRevision, 0);
  assert.match(ready.version ?? '', new RegExp(`^${SPEC.major}\\.`));
  assert.match(ready.gateway?.hostKey ?? '', /^ssh-ed25519 [A-Za-z0-9+/=]+$/);
  const again = await engine.createCluster(ID, SPEC);
  assert.deepEqual(again.gateway, ready.gateway);
}

async function refusesConflict(engine: Engine): Promise<void> {
  await rejects(engine.createCluster(ID, { ...SPEC, storageGiB: SPEC.storageGiB + 1 }), 'conflict');
}

async function appliesAccess(engine: Engine): Promise<void> {
  const wide = await accessDocument(2, ['app_rw_conform', 'app_ro_conform']);
  await engine.applyAccess(ID, wide);
  await engine.applyAccess(ID, wide);
  assert.equal((await engine.cluster(ID))?.accessRevision, 2);
  assert.ok(((await engine.usage(ID)).conform ?? 0) > 0);
  await engine.applyAccess(ID, { ...wide, revision: 1, roles: [], databases: [] });
  assert.equal((await engine.cluster(ID))?.accessRevision, 2);
  await engine.applyAccess(ID, await accessDocument(3, ['app_rw_conform']));
  assert.equal((await engine.cluster(ID))?.accessRevision, 3);
}

async function refusesBadAccess(engine: Engine): Promise<void> {
  const good = await accessDocument(4, ['app_rw_conform']);
  await rejects(engine.applyAccess(ID, { ...good, databases: [] }), 'unsupported');
  const role = { ...good.roles[0]!, name: 'postgres' };
  await rejects(engine.applyAccess(ID, { ...good, roles: [...good.roles, role] }), 'unsupported');
  assert.equal((await engine.cluster(ID))?.accessRevision, 3);
}

async function dropsDatabase(engine: Engine): Promise<void> {
  const two = await accessDocument(5, ['app_rw_conform']);
  const verifiers = two.roles[0]!.verifiers;
  two.databases.push({ name: 'leaving', owner: 'app_rw_leaving' });
  two.roles.push({ name: 'app_rw_leaving', database: 'leaving', verifiers, validUntil: null });
  await engine.applyAccess(ID, two);
  await rejects(engine.dropDatabase(ID, 'leaving'), 'conflict');
  await rejects(engine.dropDatabase(ID, 'postgres'), 'unsupported');
  await engine.applyAccess(ID, await accessDocument(6, ['app_rw_conform']));
  assert.ok('leaving' in (await engine.usage(ID)));
  await engine.dropDatabase(ID, 'leaving');
  await engine.dropDatabase(ID, 'leaving');
  assert.deepEqual(Object.keys(await engine.usage(ID)), ['conform']);
  await engine.applyAccess(ID, { ...two, revision: 7 });
  assert.deepEqual(Object.keys(await engine.usage(ID)), ['conform', 'leaving']);
}

async function closesUnknown(engine: Engine): Promise<void> {
  await engine.closeSessions(ID, { tunnelUsers: ['nobody-at-all'], roles: ['app_rw_nobody'] });
}

async function managesExtensions(engine: Engine): Promise<void> {
  const { available, installed } = await engine.extensions(ID, 'conform');
  assert.deepEqual(installed, []);
  const offered = new Map(available.map((extension) => [extension.name, extension]));
  assert.deepEqual(offered.get('earthdistance')?.requires, ['cube']);
  await rejects(engine.installExtension(ID, 'conform', 'nonsense'), 'unsupported');
  await rejects(engine.installExtension(ID, 'conform', 'file_fdw'), 'unsupported');
  await rejects(engine.installExtension(ID, 'conform', 'earthdistance'), 'dependencies', ['cube']);
  const cube = await engine.installExtension(ID, 'conform', 'cube');
  assert.deepEqual(cube, { name: 'cube', schema: 'cube', version: offered.get('cube')?.version });
  await rejects(engine.installExtension(ID, 'conform', 'cube'), 'exists');
  const earthdistance = await engine.installExtension(ID, 'conform', 'earthdistance');
  assert.deepEqual((await engine.extensions(ID, 'conform')).installed, [cube, earthdistance]);
  await rejects(engine.removeExtension(ID, 'conform', 'cube'), 'dependents', ['extension earthdistance']);
  for (const { name } of [earthdistance, cube]) await engine.removeExtension(ID, 'conform', name);
  await rejects(engine.removeExtension(ID, 'conform', 'cube'), 'not_found');
  await rejects(engine.extensions(ID, 'postgres'), 'not_ready');
  await rejects(engine.extensions('unknown1', 'conform'), 'not_ready');
}

async function tellsEvents(subject: EngineUnderTest): Promise<void> {
  const { engine } = subject;
  const before = await engine.events(null, 0);
  await subject.provokeEvent(ID);
  const told = await nextEvents(engine, before.cursor);
  assert.ok(told.events.every(({ clusterId }) => clusterId === ID));
  // The cursor was not moved on, so nothing may have been forgotten.
  const again = await nextEvents(engine, before.cursor);
  assert.deepEqual(again.events.slice(0, told.events.length), told.events);
  const after = await engine.events(again.cursor, 0);
  assert.ok(!after.events.some((event) => told.events.some((old) => JSON.stringify(old) === JSON.stringify(event))));
  await untilReady(engine, ID);
}

async function showsAuthority(engine: Engine): Promise<void> {
  const pem = await engine.caCertificate();
  assert.equal(new X509Certificate(pem).ca, true);
  assert.equal(await engine.caCertificate(), pem);
}

async function destroys(engine: Engine): Promise<void> {
  await Promise.all([engine.destroyCluster(ID), engine.destroyCluster(ID)]);
  assert.equal(await engine.cluster(ID), null);
  await engine.destroyCluster(ID);
}

async function accessDocument(revision: number, names: string[]): Promise<ClusterAccess> {
  const verifiers = [formatVerifier(await makeVerifier('a-password-of-the-suite'))];
  return {
    revision,
    databases: [{ name: 'conform', owner: 'app_rw_conform' }],
    roles: names.map((name) => ({ name, database: 'conform', verifiers, validUntil: null })),
    tunnelUsers: [],
  };
}

async function nextEvents(
  engine: Engine,
  cursor: string | null,
): Promise<{ events: EngineEvent[]; cursor: string | null }> {
  const end = Date.now() + GENEROUS;
  for (;;) {
    const batch = await engine.events(cursor, 5);
    if (batch.events.length > 0) return batch;
    if (Date.now() > end) throw new Error('no event was told');
  }
}
