import { formatVerifier, makeVerifier } from '@borealis/contract';
import type { ClusterAccess } from '@borealis/engine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { processesOf } from './support/traces.js';
import { clients } from './support/tunnel.js';

const ID = 'inuse';
const KEY = clients.makeKey();
const VISITOR = { tunnelUser: 'app-inuse', key: KEY, role: 'app_rw_inuse', password: 'Pa55word', database: 'inuse' };
const OWNERS = { tunnelUsers: [VISITOR.tunnelUser], roles: [] };
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let keeper: KeeperProcess;

beforeAll(async () => {
  directory = await temporaryDirectory();
  home = `${directory.path}/home`;
  keeper = await startKeeperProcess(home);
  await keeper.engine.createCluster(ID, SPEC);
  await untilReady(keeper.engine, ID);
  await keeper.engine.applyAccess(ID, await access());
}, GENEROUS);

afterAll(async () => {
  await keeper.engine.destroyCluster(ID);
  await keeper.kill('SIGTERM');
  await directory.remove();
}, GENEROUS);

async function access(): Promise<ClusterAccess> {
  const { database, role: name, tunnelUser: username } = VISITOR;
  const verifiers = [formatVerifier(await makeVerifier(VISITOR.password))];
  const user = { username, kind: 'app' as const, label: 'tester', publicKeys: [KEY.public], database };
  return {
    revision: 1,
    databases: [{ name: database, owner: name }],
    roles: [{ name, database, verifiers, validUntil: null }],
    tunnelUsers: [{ ...user, roles: [name], validUntil: null }],
  };
}

async function gatewayProcess(): Promise<number> {
  return (await processesOf(home, ID)).gateways[0]!.pid;
}

test(
  'a gateway that the next keeper has not met yet is never taken for none',
  async () => {
    const visit = await clients.enter(await untilReady(keeper.engine, ID), VISITOR);
    const gateway = await gatewayProcess();
    await keeper.kill('SIGKILL');
    process.kill(gateway, 'SIGSTOP'); // it cannot be met
    try {
      keeper = await startKeeperProcess(home);
      await expect(keeper.engine.credentialUse(ID)).rejects.toMatchObject({ code: 'not_ready' });
      await expect(keeper.engine.closeSessions(ID, OWNERS)).rejects.toMatchObject({ code: 'not_ready' });
    } finally {
      process.kill(gateway, 'SIGCONT');
    }
    await untilReady(keeper.engine, ID);
    expect((await keeper.engine.credentialUse(ID)).sessions).toHaveLength(1);
    await keeper.engine.closeSessions(ID, OWNERS);
    await eventually('nobody is in', async () => {
      const { tunnels, sessions } = await keeper.engine.credentialUse(ID);
      return tunnels.length + sessions.length === 0;
    });
    await visit.leave().catch(() => undefined);
  },
  GENEROUS,
);

test(
  'with the gateway killed nobody is in',
  async () => {
    const visit = await clients.enter(await untilReady(keeper.engine, ID), VISITOR);
    process.kill(await gatewayProcess(), 'SIGKILL');
    const use = await eventually('an answer', () => keeper.engine.credentialUse(ID).catch(() => null));
    expect(use).toEqual({ tunnels: [], sessions: [] });
    await visit.leave().catch(() => undefined);
    await untilReady(keeper.engine, ID);
  },
  GENEROUS,
);
