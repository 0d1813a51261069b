import { formatVerifier, makeVerifier } from '@borealis/contract';
import type { ClusterAccess, ClusterState, Engine } from '@borealis/engine';
import { cacheDirectory } from '@borealis/postgres';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TENANT_SHARE } from '../src/gateway/tenant-share.js';
import { type Keeper, startKeeper } from '../src/keeper.js';
import { createEngineClient } from '../src/rpc/client.js';
import { GENEROUS, gatewayBundle, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { clients, openTunnel } from './support/tunnel.js';

const ID = 'sharing';
const KEY = clients.makeKey();
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let keeper: Keeper;
let engine: Engine;
let cluster: ClusterState;

beforeAll(async () => {
  directory = await temporaryDirectory();
  const options = { home: `${directory.path}/home`, cacheDir: cacheDirectory(), gatewayBundle: gatewayBundle() };
  keeper = await startKeeper({ ...options, log: pino({ level: 'fatal' }) });
  engine = createEngineClient(keeper.socketPath);
  await engine.createCluster(ID, { ...SPEC, tenancy: 'shared', memoryGiB: 2 });
  cluster = await untilReady(engine, ID);
  await engine.applyAccess(ID, await access(['greedy', 'modest']));
}, GENEROUS);

afterAll(async () => {
  await keeper.stop({ clusters: true });
  await directory.remove();
}, GENEROUS);

async function access(tenants: string[]): Promise<ClusterAccess> {
  const verifiers = [formatVerifier(await makeVerifier('Pa55word'))];
  const user = { kind: 'app' as const, label: 'tester', publicKeys: [KEY.public], validUntil: null };
  return {
    revision: 1,
    databases: tenants.map((name) => ({ name, owner: `app_rw_${name}` })),
    roles: tenants.map((database) => ({ name: `app_rw_${database}`, database, verifiers, validUntil: null })),
    tunnelUsers: tenants.map((database) => ({
      ...user,
      username: `app-${database}`,
      database,
      roles: [`app_rw_${database}`],
    })),
  };
}

/** A tunnel of the tenant, and how to open one more session in it. */
async function enter(tenant: string) {
  const tunnel = await openTunnel(ID, cluster.gateway!, `app-${tenant}`, KEY.private);
  const who = { user: `app_rw_${tenant}`, database: tenant, password: 'Pa55word' };
  const session = async () => {
    const client = new pg.Client({
      ...who,
      host: '127.0.0.1',
      port: tunnel.port,
      ssl: { rejectUnauthorized: false },
    });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  return { session, close: tunnel.close };
}

test(
  'a tenant that takes all the sessions of its share keeps no other out',
  async () => {
    const [greedy, modest] = [await enter('greedy'), await enter('modest')];
    for (let i = 0; i < TENANT_SHARE.sessionsPerDatabase; i++) await greedy.session();
    await expect(greedy.session()).rejects.toMatchObject({
      code: '53300',
      message: expect.stringContaining(`too many connections for this database: ${TENANT_SHARE.sessionsPerDatabase} `),
    });
    const neighbour = await modest.session();
    expect((await neighbour.query('select current_user::text as name')).rows).toEqual([{ name: 'app_rw_modest' }]);
    greedy.close();
    modest.close();
  },
  GENEROUS,
);
