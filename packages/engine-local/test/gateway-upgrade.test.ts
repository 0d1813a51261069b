import { appendFile, cp } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatVerifier, gatewayStatus, makeVerifier } from '@borealis/contract';
import type { ClusterAccess, ClusterState } from '@borealis/engine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestStatus } from '../src/gateway/control-client.js';
import { homePaths } from '../src/home/paths.js';
import { eventually, GENEROUS, gatewayBundle, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { processesOf } from './support/traces.js';
import { clients } from './support/tunnel.js';

/** They take long. */
const fullTest = test.skipIf(process.env.BOREALIS_TEST !== 'full');
const ID = 'upgrade1';
const KEY = clients.makeKey();
const VISITOR = { tunnelUser: 'app-upgrade', key: KEY, role: 'app_rw_up', password: 'Pa55word', database: 'up' };
const GUEST = { ...VISITOR, tunnelUser: 'guest-upgrade', key: clients.makeKey() };
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let keeper: KeeperProcess;
let cluster: ClusterState;
let verifiers: string[];
let revision = 0;

beforeAll(async () => {
  directory = await temporaryDirectory();
  home = `${directory.path}/home`;
  keeper = await startKeeperProcess(home);
  await keeper.engine.createCluster(ID, SPEC);
  cluster = await untilReady(keeper.engine, ID);
  verifiers = [formatVerifier(await makeVerifier(VISITOR.password))];
  await admit([VISITOR, GUEST]);
}, GENEROUS);

afterAll(async () => {
  await keeper.engine.destroyCluster(ID);
  await keeper.kill('SIGTERM');
  await directory.remove();
}, GENEROUS);

/** Puts an access document in force in which these may come in. */
async function admit(visitors: (typeof VISITOR)[]): Promise<void> {
  const { database, role: name } = VISITOR;
  const access: ClusterAccess = {
    revision: ++revision,
    databases: [{ name: database, owner: name }],
    roles: [{ name, database, verifiers, validUntil: null }],
    tunnelUsers: visitors.map(({ tunnelUser: username, key }) => {
      const user = { username, kind: 'app' as const, label: 'tester', publicKeys: [key.public], database };
      return { ...user, roles: [name], validUntil: null };
    }),
  };
  await keeper.engine.applyAccess(ID, access);
}

const gateways = async () => (await processesOf(home, ID)).gateways;

/** The pids of those that accept connections, as each of them says. */
async function accepting(): Promise<number[]> {
  const { gatewayLink } = homePaths(home).cluster(ID);
  const all = await Promise.all(
    (await gateways()).map(({ pid }) => requestStatus(gatewayLink, 60, pid).catch(() => null)),
  );
  return all.flatMap((status) => (status && gatewayStatus.parse(status).draining === null ? [status.pid] : []));
}

/** New clients come, ask and go, one after the other, until `stop` is called, which gives how many; the first failure rejects. */
function comeAndGo(): { count(): number; stop(): Promise<number> } {
  let [done, stopped] = [0, false];
  const running = (async () => {
    for (; !stopped; done++) {
      const visit = await clients.enter(cluster, VISITOR);
      await visit.ask();
      await visit.leave();
    }
  })();
  running.catch(() => undefined);
  const stop = () => {
    stopped = true;
    return running.then(() => done);
  };
  return { count: () => done, stop };
}

test(
  'gateways are replaced while clients come and go: none is refused, no tunnel breaks, and access reaches all of them',
  async () => {
    const guest = await clients.enter(cluster, GUEST);
    const kept = await clients.enter(cluster, VISITOR);
    const [first] = await gateways();
    const visits = comeAndGo();
    for (let turn = 0; turn < 2; turn++) {
      const before = visits.count();
      const { draining } = await keeper.engine.upgradeGateway(ID);
      expect(draining).toContainEqual({ tunnels: expect.any(Number), until: expect.any(String) });
      await eventually('visits after it', async () => visits.count() > before + 1);
    }
    expect(await visits.stop()).toBeGreaterThan(3);
    const [current, ...more] = await accepting();
    expect(more).toEqual([]);
    expect(current).not.toBe(first!.pid);
    await Promise.all([kept.ask(), guest.ask()]);
    const use = await keeper.engine.credentialUse(ID);
    expect(use.sessions).toEqual([expect.objectContaining({ role: VISITOR.role, count: 2 })]);
    expect(use.tunnels.map(({ username, count }) => [username, count]).sort()).toEqual([
      [VISITOR.tunnelUser, 1],
      [GUEST.tunnelUser, 1],
    ]);

    await admit([VISITOR]);
    await expect(guest.ask()).rejects.toThrow();
    await kept.ask();
    await keeper.engine.closeSessions(ID, { tunnelUsers: [VISITOR.tunnelUser], roles: [] });
    await expect(kept.ask()).rejects.toThrow();
    await eventually('the first to end', async () => (await gateways()).every(({ pid }) => pid !== first!.pid));
    await Promise.all([guest.leave(), kept.leave()].map((leaving) => leaving.catch(() => undefined)));
  },
  GENEROUS,
);

fullTest(
  'a keeper that is killed while one gateway takes over from another finds one that accepts connections (full)',
  async () => {
    const kept = await clients.enter(cluster, VISITOR);
    const visits = comeAndGo();
    for (const milliseconds of [0, 20, 60, 150, 300, 600]) {
      keeper.engine.upgradeGateway(ID).catch(() => undefined);
      await sleep(milliseconds);
      await keeper.kill('SIGKILL');
      keeper = await startKeeperProcess(home);
      await untilReady(keeper.engine, ID);
      await admit(milliseconds % 20 === 0 ? [VISITOR, GUEST] : [VISITOR]);
      expect(await accepting()).toHaveLength(1);
    }
    await visits.stop();
    const guest = await clients.enter(cluster, GUEST);
    await keeper.engine.upgradeGateway(ID);
    await admit([VISITOR]);
    await expect(guest.ask()).rejects.toThrow();
    await guest.leave().catch(() => undefined);
    await kept.ask();
    await kept.leave();
  },
  GENEROUS,
);

fullTest(
  'the end of a tunnel is told when the draining gateway that had it is killed, and those of the other stay open (full)',
  async () => {
    const lost = await clients.enter(cluster, VISITOR);
    const [old] = await accepting();
    await keeper.engine.upgradeGateway(ID);
    const kept = await clients.enter(cluster, VISITOR);
    const { cursor } = await keeper.engine.events(null, 0);
    process.kill(old!, 'SIGKILL');
    const ended = await eventually('the end', async () => {
      const { events } = await keeper.engine.events(cursor, 0);
      const ends = events.filter((event) => event.type === 'tunnel-destroyed');
      return ends.length > 0 && ends;
    });
    expect(ended).toEqual([expect.objectContaining({ username: VISITOR.tunnelUser, reason: 'gateway ended' })]);
    await kept.ask();
    await kept.leave();
    await lost.leave().catch(() => undefined);
  },
  GENEROUS,
);

fullTest(
  'a keeper with another release lets its gateway take over by itself, and a tunnel that outlives the time for draining is ended (full)',
  async () => {
    const kept = await clients.enter(cluster, VISITOR);
    const [old] = await accepting();
    const bundle = `${directory.path}/bundle`;
    await cp(gatewayBundle(), bundle, { recursive: true });
    await appendFile(`${bundle}/gateway.cjs`, '// another release\n');
    await keeper.kill('SIGKILL');
    keeper = await startKeeperProcess(home, undefined, { gatewayBundle: bundle, gatewayDrainSeconds: 3 });
    const fresh = await eventually('another gateway', async () => (await accepting()).find((pid) => pid !== old));
    await eventually('the tunnel to be ended', () =>
      kept.ask().then(
        () => false,
        () => true,
      ),
    );
    await eventually('the old one to end', async () => (await gateways()).length === 1);
    expect(await accepting()).toEqual([fresh]);
    await kept.leave().catch(() => undefined);
  },
  GENEROUS,
);
