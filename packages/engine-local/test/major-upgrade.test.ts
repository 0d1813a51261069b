import { join } from 'node:path';
import type { Engine } from '@borealis/engine';
import { cacheDirectory } from '@borealis/postgres';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Keeper, startKeeper } from '../src/keeper.js';
import { createEngineClient } from '../src/rpc/client.js';
import { eventually, GENEROUS, gatewayBundle, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { endOf, upgradeOf } from './support/majors.js';
import { APP, appAccess, KEY } from './support/minor-app.js';
import { queryDirectly } from './support/superuser.js';
import { type OpenTunnel, openTunnel } from './support/tunnel.js';
import { openClient, startWriter } from './support/writer.js';

const ID = 'majors';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let keeper: Keeper;
let engine: Engine;
let tunnel: OpenTunnel;

beforeAll(async () => {
  directory = await temporaryDirectory();
  home = join(directory.path, 'home');
  keeper = await startKeeper({
    home,
    cacheDir: cacheDirectory(),
    gatewayBundle: gatewayBundle(),
    log: pino({ level: process.env.MAJOR_LOG ?? 'fatal' }),
  });
  engine = createEngineClient(keeper.socketPath);
  await engine.createCluster(ID, { ...SPEC, major: '15' });
  const { gateway } = await untilReady(engine, ID);
  await engine.applyAccess(ID, await appAccess());
  tunnel = await openTunnel(ID, gateway!, 'minors', KEY.private);
}, GENEROUS);

afterAll(async () => {
  tunnel?.close();
  await keeper?.stop({ clusters: true });
  await directory?.remove();
}, GENEROUS);

const version = async () => (await queryDirectly(home, ID, 'show server_version_num'))[0];
const upgradeEvents = async () =>
  (await engine.events(null, 0)).events.map(({ type }) => type).filter((type) => type.startsWith('major-upgrade'));
const rowsWritten = async () =>
  (await queryDirectly(home, ID, 'select count(*)::int as rows from written', APP.database))[0];

test(
  'clients go on through another major: none is closed, no query fails, every acknowledged row is there',
  async () => {
    const idle = await openClient(tunnel, APP);
    const writer = await startWriter(tunnel, APP);
    try {
      await idle.query("set application_name = 'kept'");
      await idle.query('create sequence numbers');
      await idle.query("select setval('numbers', 41)");
      const done = await upgradeOf(() => engine, ID, 'to-sixteen', '16');
      expect(done).toMatchObject({ state: 'done', from: expect.stringMatching(/^15\./), kept: 2, closed: {} });
      await writer.more(10);
      expect(await version()).toEqual({ server_version_num: expect.stringMatching(/^16/) });
      expect((await idle.query('show application_name')).rows).toEqual([{ application_name: 'kept' }]);
      expect((await idle.query("select nextval('numbers')::int as next")).rows).toEqual([{ next: 42 }]);
    } finally {
      await writer.stop();
      await idle.end();
    }
    expect(writer.failures).toEqual([]);
    expect(await rowsWritten()).toEqual({ rows: writer.acknowledged });
    expect(await upgradeEvents()).toEqual(['major-upgrade-started', 'major-upgrade-completed']);
    expect(await engine.cluster(ID)).toMatchObject({ spec: { major: '16' }, phase: 'ready' });
  },
  3 * GENEROUS,
);

const large = test.skipIf(process.env.BOREALIS_TEST !== 'full');

large(
  'the newest major comes right after the oldest, under a client that writes',
  async () => {
    const id = 'oldest';
    await engine.createCluster(id, { ...SPEC, major: '13' });
    const { gateway } = await untilReady(engine, id);
    await engine.applyAccess(id, await appAccess());
    const way = await openTunnel(id, gateway!, 'minors', KEY.private);
    try {
      const writer = await startWriter(way, APP);
      try {
        const done = await upgradeOf(() => engine, id, 'to-eighteen', '18');
        expect(done).toMatchObject({ state: 'done', from: expect.stringMatching(/^13\./), kept: 1, closed: {} });
        await writer.more(10);
      } finally {
        await writer.stop();
      }
      expect(writer.failures).toEqual([]);
      const written = await queryDirectly(home, id, 'select count(*)::int as rows from written', APP.database);
      expect(written).toEqual([{ rows: writer.acknowledged }]);
      expect(await queryDirectly(home, id, "select current_setting('server_version_num')::int / 10000 as is")).toEqual([
        { is: 18 },
      ]);
    } finally {
      way.close();
      await engine.destroyCluster(id);
    }
  },
  3 * GENEROUS,
);

large(
  'what cannot be carried over is said before anything is touched, and an upgrade that is cancelled leaves no trace',
  async () => {
    const client = await openClient(tunnel, APP);
    try {
      await client.query('create table scratch (j json)');
      const refused = await upgradeOf(() => engine, ID, 'incomparable', '17');
      expect(refused).toMatchObject({ state: 'failed', findings: [expect.stringContaining('public.scratch')] });
      await client.query('drop table scratch');
      const request = 'cancelled-one';
      const ask = () => engine.upgradeMajor(ID, { request, major: '17', patienceSeconds: 60 });
      await eventually('the schema is guarded', async () => {
        await ask();
        return client.query('create table guarded ()').then(
          () =>
            client
              .query('drop table guarded')
              .then(() => false)
              .catch(() => true),
          (error: { code?: string }) => error.code === '55000',
        );
      });
      await expect(engine.changeCluster(ID, { ...SPEC, major: '16', memoryGiB: 2 })).rejects.toMatchObject({
        code: 'conflict',
      });
      expect(await endOf(() => engine.cancelMajorUpgrade(ID, request))).toMatchObject({ state: 'cancelled' });
      await client.query('create table if not exists after_it ()');
      expect(await queryDirectly(home, ID, "select from pg_namespace where nspname = 'major_upgrade'")).toEqual([]);
      await expect(engine.cancelMajorUpgrade(ID, 'never-begun')).rejects.toMatchObject({ code: 'not_found' });
    } finally {
      await client.end();
    }
  },
  3 * GENEROUS,
);
