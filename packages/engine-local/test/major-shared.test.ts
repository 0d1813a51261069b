import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatVerifier, makeVerifier } from '@borealis/contract';
import type { ClusterAccess, Engine } from '@borealis/engine';
import { cacheDirectory } from '@borealis/postgres';
import type pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Keeper, startKeeper } from '../src/keeper.js';
import { createEngineClient } from '../src/rpc/client.js';
import { GENEROUS, gatewayBundle, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { revertOf, upgradeOf } from './support/majors.js';
import { KEY } from './support/minor-app.js';
import { queryDirectly } from './support/superuser.js';
import { type OpenTunnel, openTunnel } from './support/tunnel.js';
import { openClient } from './support/writer.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const ID = 'many';
/** More than a server has slots and workers for unless it is told to have more. */
const STAYING = Array.from({ length: 10 }, (_, n) => `tenant${n}`);
const LEAVING = 'leaving';
const TENANTS = [...STAYING, LEAVING];
const ownerOf = (tenant: string) => `app_rw_${tenant}`;
const passwordOf = (tenant: string) => `Pa55wordOf${tenant}`;

async function access(revision: number, tenants: readonly string[]): Promise<ClusterAccess> {
  const verifiers = async (tenant: string) => [formatVerifier(await makeVerifier(passwordOf(tenant)))];
  const user = { kind: 'app' as const, label: 'app', publicKeys: [KEY.public], validUntil: null };
  return {
    revision,
    databases: tenants.map((name) => ({ name, owner: ownerOf(name) })),
    roles: await Promise.all(
      tenants.map(async (database) => ({
        name: ownerOf(database),
        database,
        verifiers: await verifiers(database),
        validUntil: null,
      })),
    ),
    tunnelUsers: tenants.map((database) => ({ ...user, username: database, database, roles: [ownerOf(database)] })),
  };
}

/** Tries to change the schema; who may takes it back. */
function isSchemaGuarded(client: pg.Client): Promise<boolean> {
  return client.query('create table late (); drop table late').then(
    () => false,
    ({ code }: { code?: string }) => code === '55000',
  );
}

describe.skipIf(!isFull)('a cluster that eleven tenants share (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: Keeper;
  let engine: Engine;
  const tunnels = new Map<string, OpenTunnel>();

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = join(directory.path, 'home');
    const options = { home, cacheDir: cacheDirectory(), gatewayBundle: gatewayBundle(), majorRevertSeconds: 3600 };
    keeper = await startKeeper({ ...options, log: pino({ level: process.env.MAJOR_LOG ?? 'fatal' }) });
    engine = createEngineClient(keeper.socketPath);
    await engine.createCluster(ID, { ...SPEC, major: '15', tenancy: 'shared', vcpu: 2, memoryGiB: 2 });
    const { gateway } = await untilReady(engine, ID);
    await engine.applyAccess(ID, await access(1, TENANTS));
    for (const tenant of TENANTS) tunnels.set(tenant, await openTunnel(ID, gateway!, tenant, KEY.private));
  }, GENEROUS);

  afterAll(async () => {
    for (const tunnel of tunnels.values()) tunnel.close();
    await keeper?.stop({ clusters: true });
    await directory?.remove();
  }, GENEROUS);

  /** As the tenant, in a new session with its password. */
  async function as<T>(tenant: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const who = { user: ownerOf(tenant), password: passwordOf(tenant), database: tenant };
    const client = await openClient(tunnels.get(tenant)!, who);
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  /** Each tenant has the words that it wrote, its own and in their order, and writes the next. */
  async function expectWords(words: readonly string[]): Promise<void> {
    for (const tenant of STAYING)
      await as(tenant, async (client) => {
        const { rows } = await client.query('select n, word, current_user::text as who from words order by n');
        const who = ownerOf(tenant);
        expect(rows).toEqual(words.map((word, at) => ({ n: at + 1, word: `${word} of ${tenant}`, who })));
      });
  }

  const write = async (word: string) => {
    for (const tenant of STAYING)
      await as(tenant, (client) => client.query('insert into words (word) values ($1)', [`${word} of ${tenant}`]));
  };

  const expectMajor = async (major: string) => {
    expect(
      await queryDirectly(home, ID, "select split_part(current_setting('server_version'), '.', 1) as major"),
    ).toEqual([{ major }]);
  };

  test(
    'gets another major, and the former one back, with all that each of them has',
    async () => {
      for (const tenant of TENANTS)
        await as(tenant, (client) => client.query('create table words (n serial primary key, word text)'));
      await write('first');
      let isOver = false;
      const upgrade = upgradeOf(() => engine, ID, 'all-to-sixteen', '16').finally(() => {
        isOver = true;
      });
      upgrade.catch(() => undefined);
      let isRefused = false;
      while (!isRefused && !isOver) {
        isRefused = await as(STAYING[7]!, isSchemaGuarded);
        await sleep(100);
      }
      expect(isRefused).toBe(true);
      expect(await upgrade).toMatchObject({ state: 'done', revertibleUntil: expect.any(String) });
      await expectMajor('16');
      await expectWords(['first']);
      await write('second');
      await engine.applyAccess(ID, await access(2, STAYING));
      await engine.dropDatabase(ID, LEAVING);
      expect(await revertOf(() => engine, ID, 'all-to-fifteen')).toMatchObject({ state: 'done' });
      await expectMajor('15');
      await expectWords(['first', 'second']);
      await write('third');
      await expectWords(['first', 'second', 'third']);
      // Who left meanwhile does not come back.
      expect(await queryDirectly(home, ID, 'select from pg_database where datname = $$leaving$$')).toEqual([]);
      for (const tenant of STAYING) await as(tenant, (client) => client.query('drop table words'));
    },
    4 * GENEROUS,
  );
});
