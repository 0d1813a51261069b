import { formatVerifier, makeVerifier } from '@borealis/contract';
import type { ClusterAccess } from '@borealis/engine';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sshKey } from '../../../test/support/ssh-key.js';
import { GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { nodesOf, queryNode, untilProtected } from './support/nodes.js';
import { type OpenTunnel, openTunnel } from './support/tunnel.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const ID = 'switched';
const KEY = sshKey();
const APP = { user: 'app_rw_switch', password: 'Pa55wordOfTheApp', database: 'switch' };

describe.skipIf(!isFull)('a primary that is replaced on demand (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: KeeperProcess;
  let tunnel: OpenTunnel;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = `${directory.path}/h`;
    keeper = await startKeeperProcess(home);
    await keeper.engine.createCluster(ID, { ...SPEC, nodes: 2 });
    const { gateway } = await untilReady(keeper.engine, ID);
    await keeper.engine.applyAccess(ID, await access());
    await untilProtected(home, ID);
    tunnel = await openTunnel(ID, gateway!, 'tester', KEY.private);
  }, GENEROUS);

  afterAll(async () => {
    tunnel?.close();
    await keeper.engine.destroyCluster(ID);
    await keeper.kill('SIGTERM');
    await directory.remove();
  }, GENEROUS);

  async function access(): Promise<ClusterAccess> {
    const verifiers = [formatVerifier(await makeVerifier(APP.password))];
    const user = { kind: 'app' as const, label: 'tester', database: APP.database, validUntil: null };
    return {
      revision: 1,
      databases: [{ name: APP.database, owner: APP.user }],
      roles: [{ name: APP.user, database: APP.database, verifiers, validUntil: null }],
      tunnelUsers: [{ ...user, username: 'tester', roles: [APP.user], publicKeys: [KEY.public] }],
    };
  }

  async function session(): Promise<pg.Client> {
    const client = new pg.Client({ ...APP, host: '127.0.0.1', port: tunnel.port, ssl: { rejectUnauthorized: false } });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  test('as planned keeps sessions with their settings and their tunnels', async () => {
    const client = await session();
    try {
      await client.query(`set timezone = 'Asia/Tokyo'`);
      await client.query('create table kept as select 1 as row');
      const outcome = await keeper.engine.replacePrimary(ID, 'planned');
      expect(outcome).toMatchObject({ kept: 1, closed: 0 });
      expect((await client.query('show timezone')).rows).toEqual([{ TimeZone: 'Asia/Tokyo' }]);
      expect((await client.query('select pg_is_in_recovery() as is, row from kept')).rows).toEqual([
        { is: false, row: 1 },
      ]);
      expect((await nodesOf(home, ID)).primary).toBe(2);
    } finally {
      await client.end();
    }
  });

  test('with a transaction open nothing happens, and it goes on', async () => {
    await untilProtected(home, ID);
    const client = await session();
    try {
      await client.query('begin');
      await client.query('insert into kept values (2)');
      await expect(keeper.engine.replacePrimary(ID, 'planned')).rejects.toMatchObject({ code: 'not_ready' });
      await client.query('commit');
      expect((await nodesOf(home, ID)).primary).toBe(2);
    } finally {
      await client.end();
    }
  });

  test('by a crash tells how long it took and how many sessions were kept', async () => {
    await untilProtected(home, ID);
    const outcome = await keeper.engine.replacePrimary(ID, 'crash');
    expect(outcome).toMatchObject({ kept: 0, closed: 0 });
    expect(await queryNode(home, ID, 1, 'select pg_is_in_recovery() as is')).toEqual([{ is: false }]);
    await untilProtected(home, ID);
  });
});
