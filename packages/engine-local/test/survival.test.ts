import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import type { ClusterState, EngineEvent } from '@borealis/engine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestStatus } from '../src/gateway/control-client.js';
import { homePaths } from '../src/home/paths.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { queryDirectly } from './support/superuser.js';
import { isListening, processesOf, tracesOf } from './support/traces.js';

// One home with two clusters; each test kills something in it and finds it as it was.
const run = promisify(execFile);
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let keeper: KeeperProcess;
let one: ClusterState;
let two: ClusterState;

beforeAll(async () => {
  directory = await temporaryDirectory();
  home = `${directory.path}/home`;
  keeper = await startKeeperProcess(home);
  await Promise.all(['first', 'second'].map((id) => keeper.engine.createCluster(id, SPEC)));
  [one, two] = await Promise.all([untilReady(keeper.engine, 'first'), untilReady(keeper.engine, 'second')]);
}, GENEROUS);

afterAll(async () => {
  await Promise.all(['first', 'second'].map((id) => keeper.engine.destroyCluster(id)));
  await keeper.kill('SIGTERM');
  await directory.remove();
}, GENEROUS);

/** The host key that really answers there, as a stock client sees it. */
async function scannedKey({ gateway }: ClusterState): Promise<string> {
  const { stdout } = await run('ssh-keyscan', [
    '-T',
    '30',
    '-t',
    'ed25519',
    '-p',
    String(gateway!.port),
    gateway!.host,
  ]);
  return stdout.trim().split(' ').slice(1).join(' ');
}

async function collectUntil(type: EngineEvent['type'], what: RegExp): Promise<EngineEvent> {
  return eventually(`an event ${type} ${what}`, async () => {
    const { events } = await keeper.engine.events(null, 0);
    return events.find((event) => event.type === type && 'what' in event && what.test(event.what));
  });
}

test('two clusters have two addresses and two host keys', async () => {
  expect(one.gateway).not.toEqual(two.gateway);
  expect(await scannedKey(one)).toBe(one.gateway!.hostKey);
  expect(await scannedKey(two)).toBe(two.gateway!.hostKey);
  expect(one.gateway!.hostKey).not.toBe(two.gateway!.hostKey);
});

test('a log of the gateway that grew long is cut to its newest half while it runs', async () => {
  const { gatewayLog } = homePaths(home).cluster('second');
  await appendFile(gatewayLog, `${'x'.repeat(99)}\n`.repeat(60_000));
  await eventually('the cut', async () => (await stat(gatewayLog)).size < 4 * 1024 * 1024);
  expect(await isListening(two.gateway!)).toBe(true);
});

test(
  'with the keeper killed the database and the gateway go on, and the next keeper adopts them',
  async () => {
    const before = await processesOf(home, 'first');
    await queryDirectly(home, 'first', 'create table kept as select 42 as answer');
    await keeper.kill('SIGKILL');
    expect(await queryDirectly(home, 'first', 'select answer from kept')).toEqual([{ answer: 42 }]);
    expect(await isListening(one.gateway!)).toBe(true);
    const loaded = () => queryDirectly(home, 'first', 'select pg_conf_load_time()::text as at');
    const loadedBefore = await loaded();
    await expect(keeper.engine.cluster('first')).rejects.toMatchObject({ code: 'unavailable' });
    keeper = await startKeeperProcess(home);
    expect((await untilReady(keeper.engine, 'first')).gateway).toEqual(one.gateway);
    expect(await processesOf(home, 'first')).toEqual(before);
    // What the dead one wrote last PostgreSQL may not have taken over.
    expect(await loaded()).not.toEqual(loadedBefore);
  },
  GENEROUS,
);

test(
  'a second keeper on the same home is refused with one sentence',
  async () => {
    await expect(startKeeperProcess(home)).rejects.toThrow(
      new RegExp(
        `^Another keeper \\(process ${keeper.pid}\\) already runs on this home; its lock is .*keeper\\.lock\\.$`,
      ),
    );
    expect(await keeper.engine.cluster('first')).toMatchObject({ phase: 'ready' });
  },
  GENEROUS,
);

test(
  'a PostgreSQL that is killed comes back with its data and is told',
  async () => {
    const before = await processesOf(home, 'first');
    process.kill(before.servers[0]!.pid, 'SIGKILL');
    await collectUntil('cluster-recovered', /PostgreSQL/);
    await untilReady(keeper.engine, 'first');
    const after = await processesOf(home, 'first');
    expect(after.servers).toHaveLength(1);
    expect(after.servers).not.toEqual(before.servers);
    expect(await queryDirectly(home, 'first', 'select answer from kept')).toEqual([{ answer: 42 }]);
  },
  GENEROUS,
);

test(
  'a gateway that is killed comes back on its address with its host key',
  async () => {
    const before = await processesOf(home, 'second');
    process.kill(before.gateways[0]!.pid, 'SIGKILL');
    await collectUntil('cluster-recovered', /gateway/);
    expect((await untilReady(keeper.engine, 'second')).gateway).toEqual(two.gateway);
    const after = await processesOf(home, 'second');
    expect(after.gateways).toHaveLength(1);
    expect(after.gateways).not.toEqual(before.gateways);
    expect(await scannedKey(two)).toBe(two.gateway!.hostKey);
  },
  GENEROUS,
);

test(
  'what dies while no keeper runs comes back with the next one',
  async () => {
    await keeper.kill('SIGKILL');
    const before = await processesOf(home, 'second');
    for (const { pid } of [...before.servers, ...before.gateways]) process.kill(pid, 'SIGKILL');
    keeper = await startKeeperProcess(home);
    expect((await untilReady(keeper.engine, 'second')).gateway).toEqual(two.gateway);
    expect(await isListening(two.gateway!)).toBe(true);
  },
  GENEROUS,
);

test(
  'a certificate near its end is renewed and the gateway, which goes on, takes it',
  async () => {
    const before = await processesOf(home, 'second');
    const paths = homePaths(home).cluster('second');
    await keeper.kill('SIGKILL');
    const old = await readFile(paths.record, 'utf8');
    const soon = new Date(Date.now() + 20 * 24 * 60 * 60 * 1000).toISOString();
    await writeFile(paths.record, old.replace(/"notAfter": "[^"]+"/, `"notAfter": "${soon}"`));
    keeper = await startKeeperProcess(home);
    await untilReady(keeper.engine, 'second');
    const config = JSON.parse(await readFile(`${paths.gateway}/gateway.json`, 'utf8'));
    expect(old).not.toContain(JSON.stringify(config.tls.certificate));
    expect(await readFile(paths.record, 'utf8')).toContain(JSON.stringify(config.tls.certificate));
    expect((await requestStatus(paths.gatewayLink, 60)).revision).toBe(config.revision);
    expect((await processesOf(home, 'second')).gateways).toEqual(before.gateways);
  },
  GENEROUS,
);

test(
  'an address that a stranger took is waited for and never changed',
  async () => {
    await keeper.kill('SIGKILL');
    for (const { pid } of (await processesOf(home, 'second')).gateways) process.kill(pid, 'SIGKILL');
    const { host, port } = two.gateway!;
    const stranger = createServer();
    await eventually('the address to be free', async () => {
      stranger.listen({ host, port });
      return once(stranger, 'listening').catch(() => null);
    });
    keeper = await startKeeperProcess(home);
    const state = await eventually('the sentence', async () => {
      const found = await keeper.engine.cluster('second');
      return found?.detail.includes(`${host} port ${port} is taken by another process`) ? found : null;
    });
    expect(state).toMatchObject({ phase: 'recovering', gateway: two.gateway });
    stranger.close();
    expect((await untilReady(keeper.engine, 'second')).gateway).toEqual(two.gateway);
  },
  GENEROUS,
);

test.skipIf(process.env.BOREALIS_TEST !== 'full')(
  'a gateway that hangs is started anew (full)',
  async () => {
    const before = await processesOf(home, 'second');
    process.kill(before.gateways[0]!.pid, 'SIGSTOP');
    const role = { name: 'app_rw_one', database: 'one', verifiers: [], validUntil: null };
    const databases = [{ name: 'one', owner: role.name }];
    const document = { revision: 1, databases, roles: [role], tunnelUsers: [] };
    await eventually('the document in force', () =>
      keeper.engine.applyAccess('second', document).then(
        () => true,
        () => false,
      ),
    );
    expect((await processesOf(home, 'second')).gateways).not.toEqual(before.gateways);
  },
  GENEROUS,
);

test(
  'a keeper that is told to stop leaves no process, and the next one finds the same data',
  async () => {
    await keeper.kill('SIGTERM');
    const left = await Promise.all(['first', 'second'].map((id) => processesOf(home, id)));
    expect(left).toEqual([
      { servers: [], gateways: [] },
      { servers: [], gateways: [] },
    ]);
    keeper = await startKeeperProcess(home);
    await Promise.all(['first', 'second'].map((id) => untilReady(keeper.engine, id)));
    expect(await queryDirectly(home, 'first', 'select answer from kept')).toEqual([{ answer: 42 }]);
  },
  GENEROUS,
);

test(
  'destroying one cluster leaves nothing of it and does not touch the other',
  async () => {
    await keeper.engine.destroyCluster('second');
    expect(await tracesOf(home, 'second')).toEqual([]);
    expect(await isListening(two.gateway!)).toBe(false);
    expect(await isListening(one.gateway!)).toBe(true);
    expect(await queryDirectly(home, 'first', 'select answer from kept')).toEqual([{ answer: 42 }]);
  },
  GENEROUS,
);
