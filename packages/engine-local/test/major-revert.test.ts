import { join } from 'node:path';
import type { Engine } from '@borealis/engine';
import { cacheDirectory } from '@borealis/postgres';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Keeper, startKeeper } from '../src/keeper.js';
import { createEngineClient } from '../src/rpc/client.js';
import { GENEROUS, gatewayBundle, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { revertOf, upgradeOf } from './support/majors.js';
import { APP, appAccess, KEY } from './support/minor-app.js';
import { queryDirectly } from './support/superuser.js';
import { type OpenTunnel, openTunnel } from './support/tunnel.js';
import { openClient, startWriter } from './support/writer.js';

const ID = 'back';
const isFull = process.env.BOREALIS_TEST === 'full';

describe.skipIf(!isFull)('where the former server is kept (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: Keeper;
  let engine: Engine;
  let tunnel: OpenTunnel;
  const major = async () =>
    Number(((await queryDirectly(home, ID, 'show server_version_num')) as Row[])[0]!.server_version_num.slice(0, 2));
  type Row = { server_version_num: string };

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = join(directory.path, 'home');
    keeper = await startKeeper({
      home,
      cacheDir: cacheDirectory(),
      gatewayBundle: gatewayBundle(),
      log: pino({ level: process.env.MAJOR_LOG ?? 'fatal' }),
      majorRevertSeconds: 3600,
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

  test(
    'there is a way back with the writes made since, under clients that never notice',
    async () => {
      const idle = await openClient(tunnel, APP);
      const writer = await startWriter(tunnel, APP);
      try {
        await idle.query('create sequence numbers');
        await idle.query("select setval('numbers', 41)");
        const done = await upgradeOf(() => engine, ID, 'to-sixteen', '16');
        expect(done).toMatchObject({ state: 'done', revertibleUntil: expect.any(String) });
        expect(await major()).toBe(16);
        await writer.more(20);
        expect((await idle.query("select nextval('numbers')::int as next")).rows).toEqual([{ next: 42 }]);
        const back = await revertOf(() => engine, ID, 'back-to-fifteen');
        expect(back).toMatchObject({ state: 'done', to: expect.stringMatching(/^15\./), kept: 2, closed: {} });
        expect(await major()).toBe(15);
        await writer.more(20);
        expect((await idle.query("select nextval('numbers')::int as next")).rows).toEqual([{ next: 43 }]);
      } finally {
        await writer.stop();
        await idle.end();
      }
      expect(writer.failures).toEqual([]);
      const rows = await queryDirectly(home, ID, 'select count(*)::int as rows from written', APP.database);
      expect(rows).toEqual([{ rows: writer.acknowledged }]);
    },
    GENEROUS,
  );

  test(
    'there is none after a change of the schema, which is not refused',
    async () => {
      expect(await upgradeOf(() => engine, ID, 'once-more-sixteen', '16')).toMatchObject({ state: 'done' });
      const client = await openClient(tunnel, APP);
      try {
        await client.query('create table too_late (n int)');
        await client.query('insert into too_late values (1)');
        await client.query('update too_late set n = 2');
        const back = await revertOf(() => engine, ID, 'back-in-vain').catch(({ message }: Error) => ({ message }));
        expect(JSON.stringify(back)).toContain('schema of the database');
        expect(await major()).toBe(16);
        await expect(revertOf(() => engine, ID, 'back-once-more')).rejects.toMatchObject({ code: 'unsupported' });
        expect((await client.query('select n from too_late')).rows).toEqual([{ n: 2 }]);
      } finally {
        await client.end();
      }
    },
    GENEROUS,
  );
});
