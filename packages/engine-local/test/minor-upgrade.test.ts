import { join } from 'node:path';
import type { Engine } from '@borealis/engine';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Keeper, startKeeper } from '../src/keeper.js';
import { createEngineClient } from '../src/rpc/client.js';
import { findProcesses } from '../src/system/process-identity.js';
import { eventually, GENEROUS, gatewayBundle, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { APP, appAccess, KEY } from './support/minor-app.js';
import {
  type Asked,
  breakRelease,
  cacheOfBoth,
  hangRelease,
  NEWER,
  OLDER,
  outcomeOf,
  releaseIn,
} from './support/minors.js';
import { nodesOf, queryNode, untilProtected } from './support/nodes.js';
import { queryDirectly } from './support/superuser.js';
import { type OpenTunnel, openTunnel } from './support/tunnel.js';
import { openClient, startWriter } from './support/writer.js';

const ID = 'minors';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let cacheDir: string;
let keeper: Keeper;
let engine: Engine;
let tunnel: OpenTunnel;

beforeAll(async () => {
  directory = await temporaryDirectory();
  home = join(directory.path, 'home');
  cacheDir = await cacheOfBoth(directory.path);
  keeper = await startKeeper({ home, cacheDir, gatewayBundle: gatewayBundle(), log: pino({ level: 'fatal' }) });
  engine = createEngineClient(keeper.socketPath);
  await engine.createCluster(ID, SPEC);
  const { gateway } = await untilReady(engine, ID);
  await engine.applyAccess(ID, await appAccess());
  tunnel = await openTunnel(ID, gateway!, 'minors', KEY.private);
}, GENEROUS);

afterAll(async () => {
  tunnel?.close();
  await keeper.stop({ clusters: true });
  await directory.remove();
}, GENEROUS);

/** They take long. */
const fullTest = test.skipIf(process.env.BOREALIS_TEST !== 'full');
const outcome = (asked: Asked) => outcomeOf(() => engine, ID, asked);
const version = async () => (await queryDirectly(home, ID, 'show server_version'))[0];
/** How many programs of that release run. */
const programs = async (release: string) =>
  (await findProcesses(null, join(releaseIn(cacheDir, release), 'bin', 'postgres'))).length;
const refused = async () =>
  (await engine.releases()).flatMap((offer) => offer.refused.map(({ version, reason }) => [version, reason]));
const upgradeEvents = async () =>
  (await engine.events(null, 0)).events.map(({ type }) => type).filter((type) => type.startsWith('minor-upgrade'));

test(
  'clients go on through another minor release: none is closed, no query fails, every acknowledged row is there',
  async () => {
    const idle = await openClient(tunnel, APP);
    const writer = await startWriter(tunnel, APP);
    try {
      await idle.query("set application_name = 'kept'");
      await idle.query({ name: 'sum', text: 'select $1::int + 1 as sum', values: [1] });
      const done = await outcome({ request: 'downgrade', version: OLDER });
      expect(done).toMatchObject({ state: 'done', from: NEWER, to: OLDER, kept: 2, closed: {} });
      await writer.more(10);
      expect(await version()).toEqual({ server_version: OLDER });
      expect((await idle.query('show application_name')).rows).toEqual([{ application_name: 'kept' }]);
      expect((await idle.query({ name: 'sum', text: 'select $1::int + 1 as sum', values: [41] })).rows).toEqual([
        { sum: 42 },
      ]);
    } finally {
      await writer.stop();
      await idle.end();
    }
    expect(writer.failures).toEqual([]);
    const [{ rows }] = (await queryDirectly(home, ID, 'select count(*)::int as rows from written', APP.database)) as [
      { rows: number },
    ];
    expect(rows).toBe(writer.acknowledged);
    expect(await upgradeEvents()).toEqual(['minor-upgrade-started', 'minor-upgrade-completed']);
    expect((await engine.cluster(ID))!.version).toBe(OLDER);
  },
  GENEROUS,
);

test('a version that is not offered, or of another major, is refused with what there is', async () => {
  const ask = (wanted: string) =>
    engine.upgradeMinor(ID, { request: 'never-done', version: wanted, force: false, patienceSeconds: 1 });
  await expect(ask('16.1')).rejects.toMatchObject({
    code: 'unsupported',
    message: /of this major 16\.\d+, 16\.13 are/,
  });
  await expect(ask('15.1')).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringMatching(/has PostgreSQL 16, and 15\.1/),
  });
  await expect(ask('latest')).rejects.toMatchObject({ code: 'unsupported' });
  expect((await engine.cluster(ID))!.phase).toBe('ready');
});

fullTest(
  'a release that fails its trial is put in place nowhere, and one that does not start is taken back',
  async () => {
    const before = ((await version()) as { server_version: string }).server_version;
    const broken = before === OLDER ? NEWER : OLDER;
    const repair = await breakRelease(cacheDir, broken);
    const client = await openClient(tunnel, APP);
    try {
      const tried = await outcome({ request: 'tried-and-broken', version: broken });
      expect(tried).toMatchObject({ state: 'failed', reason: expect.stringContaining('it does not start') });
      const again = outcome({ request: 'asked-once-more', version: broken });
      await expect(again).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining('failed its trial'),
      });
      expect(await refused()).toEqual([[broken, expect.stringContaining('failed its trial')]]);
      await engine.allowRelease(broken);
      expect(await refused()).toEqual([]);
      const forced = await outcome({ request: 'forced-anyway', version: broken, force: true });
      expect(forced).toMatchObject({ state: 'failed', reason: expect.stringContaining('did not start') });
      expect(await refused()).toEqual([
        [broken, `PostgreSQL ${broken} did not start on the data of "${ID}", where ${before} does.`],
      ]);
      expect(await version()).toEqual({ server_version: before });
      expect((await client.query('select count(*) > 0 as there from written')).rows).toEqual([{ there: true }]);
    } finally {
      await client.end();
      await repair();
      await engine.allowRelease(broken);
    }
  },
  GENEROUS,
);

fullTest(
  'a release that hangs before it has begun is ended, and queries go on by the one before',
  async () => {
    const before = ((await version()) as { server_version: string }).server_version;
    const hanging = before === OLDER ? NEWER : OLDER;
    const repair = await hangRelease(cacheDir, hanging);
    const client = await openClient(tunnel, APP);
    try {
      const upgrading = outcome({ request: 'forced-to-hang', version: hanging, force: true });
      await eventually('it hangs', async () => (await programs(hanging)) > 0);
      expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
      expect(await upgrading).toMatchObject({ state: 'failed', reason: expect.stringContaining('did not start') });
      expect(await programs(hanging)).toBe(0);
      await engine.allowRelease(hanging);
      const tried = await outcome({ request: 'tried-to-hang', version: hanging });
      expect(tried).toMatchObject({ state: 'failed', reason: expect.stringContaining('it does not start') });
      expect(await programs(hanging)).toBe(0);
      expect(await refused()).toEqual([[hanging, expect.stringContaining('failed its trial')]]);
      expect(await version()).toEqual({ server_version: before });
    } finally {
      await client.end();
      await repair();
      await engine.allowRelease(hanging);
    }
  },
  GENEROUS,
);

fullTest(
  'data that fails by its own release, too, is no fault of the new one',
  async () => {
    const before = ((await version()) as { server_version: string }).server_version;
    const other = before === OLDER ? NEWER : OLDER;
    const run = (statement: string) => queryDirectly(home, ID, statement, APP.database);
    await run('create function side(int) returns int language sql immutable as $$select $1$$');
    await run('create table sided as select x from generate_series(1, 9) x');
    await run('create index sided_side on sided (side(x))');
    // From now on the index is not what the rows say, which is what damage looks like.
    await run('create or replace function side(int) returns int language sql immutable as $$select -$1$$');
    try {
      const tried = await outcome({ request: 'of-damaged-data', version: other });
      expect(tried).toMatchObject({
        state: 'failed',
        reason: expect.stringContaining(`also by PostgreSQL ${before}, which it runs by: data or an index is damaged`),
      });
      expect(await refused()).toEqual([]);
    } finally {
      await run('drop table sided; drop function side(int)');
    }
    expect(await outcome({ request: 'of-mended-data', version: other })).toMatchObject({ state: 'done', to: other });
  },
  GENEROUS,
);

fullTest(
  'a session whose gateway only drains, since another took over, goes on through a restart as those of the other do',
  async () => {
    const { gateway } = await untilReady(engine, ID);
    const old = await openTunnel(ID, gateway!, 'minors', KEY.private);
    const drained = await openClient(old, APP);
    try {
      await drained.query("set app.tenant = 'seven'; declare c scroll cursor with hold for select 5 as five");
      expect((await engine.upgradeGateway(ID)).draining.length).toBeGreaterThan(0);
      for (const spec of [{ ...SPEC, memoryGiB: 4 }, SPEC]) {
        await engine.changeCluster(ID, spec);
        await eventually('the change is through', async () => (await engine.cluster(ID))?.specInForce);
      }
      const tenant = (await drained.query("select current_setting('app.tenant') as tenant")).rows;
      expect([tenant, (await drained.query('fetch all from c')).rows]).toEqual([[{ tenant: 'seven' }], [{ five: 5 }]]);
    } finally {
      await drained.end();
      old.close();
    }
  },
  GENEROUS,
);

fullTest(
  'a new size is given to PostgreSQL under clients that never notice',
  async () => {
    const large = { ...SPEC, memoryGiB: 4 };
    const client = await openClient(tunnel, APP);
    try {
      for (const spec of [large, SPEC]) {
        await engine.changeCluster(ID, spec);
        await eventually('the change is through', async () => (await engine.cluster(ID))?.specInForce);
        expect((await engine.cluster(ID))!.spec).toEqual(spec);
        const memory = spec === large ? '512MB' : '64MB';
        expect((await client.query('show shared_buffers')).rows).toEqual([{ shared_buffers: memory }]);
      }
    } finally {
      await client.end();
    }
  },
  GENEROUS,
);

const untilSentence = (sentence: string, request: string, to: string) =>
  eventually(sentence, async () => {
    const answer = await engine.upgradeMinor(ID, { request, version: to, force: true, patienceSeconds: 120 });
    return answer.state === 'running' && answer.sentence === sentence;
  });

fullTest(
  'an open transaction is waited for, and closed when it takes too long',
  async () => {
    const before = ((await version()) as { server_version: string }).server_version;
    const [first, second] = before === OLDER ? [NEWER, OLDER] : [OLDER, NEWER];
    const [patient, stubborn] = [await openClient(tunnel, APP), await openClient(tunnel, APP)];
    try {
      await patient.query('begin; select 1');
      const waited = outcome({ request: 'waits-for-the-end', version: first, force: true, patienceSeconds: 120 });
      await untilSentence('Waiting for a moment without long transactions', 'waits-for-the-end', first);
      await patient.query('commit');
      expect(await waited).toMatchObject({ state: 'done', closed: {} });
      await stubborn.query('begin; select 1');
      const closed = await outcome({ request: 'does-not-wait', version: second, force: true, patienceSeconds: 0 });
      expect(closed).toMatchObject({ state: 'done', kept: 1, closed: expect.anything() });
      expect(Object.values((closed as { closed: Record<string, number> }).closed)).toEqual([1]);
      await expect(stubborn.query('select 1')).rejects.toThrow();
      expect((await patient.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    } finally {
      await patient.end();
      await stubborn.end().catch(() => undefined);
    }
  },
  GENEROUS,
);

fullTest(
  'a size that was asked for while an upgrade waits outlives the upgrade',
  async () => {
    const before = ((await version()) as { server_version: string }).server_version;
    const other = before === OLDER ? NEWER : OLDER;
    const large = { ...SPEC, memoryGiB: 4 };
    const client = await openClient(tunnel, APP);
    try {
      await client.query('begin; select 1');
      const upgraded = outcome({ request: 'meets-a-change', version: other, force: true, patienceSeconds: 120 });
      await untilSentence('Waiting for a moment without long transactions', 'meets-a-change', other);
      await engine.changeCluster(ID, large);
      await client.query('commit');
      expect(await upgraded).toMatchObject({ state: 'done', to: other, closed: {} });
      await eventually('the change is through', async () => (await engine.cluster(ID))?.specInForce);
      expect((await engine.cluster(ID))!.spec).toEqual(large);
      expect(await version()).toEqual({ server_version: other });
      expect((await client.query('show shared_buffers')).rows).toEqual([{ shared_buffers: '512MB' }]);
      await engine.changeCluster(ID, SPEC);
      await eventually('the former size', async () => (await engine.cluster(ID))?.specInForce);
    } finally {
      await client.end();
    }
  },
  GENEROUS,
);

fullTest(
  'standbys take over the release of their primary, and none of them takes its place',
  async () => {
    const id = 'minornodes';
    await engine.createCluster(id, { ...SPEC, nodes: 2 });
    await untilReady(engine, id);
    await untilProtected(home, id);
    const { primary, generation } = await nodesOf(home, id);
    const asked = { request: 'of-several-nodes', version: OLDER, force: true };
    expect(await outcomeOf(() => engine, id, asked)).toMatchObject({ state: 'done', to: OLDER });
    for (const node of [1, 2])
      await eventually(`node ${node} runs by it`, async () => {
        const [found] = await queryNode(home, id, node, 'show server_version').catch(() => []);
        return (found as { server_version: string } | undefined)?.server_version === OLDER;
      });
    await untilProtected(home, id);
    expect(await nodesOf(home, id)).toMatchObject({ primary, generation });
    await engine.destroyCluster(id);
  },
  GENEROUS,
);
