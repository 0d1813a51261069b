import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect } from 'vitest';
import { CLI, Installation } from '../support/installation.js';
import { kill9, processes } from '../support/processes.js';
import { scenario } from '../support/scenario.js';
import { connectThrough, query } from '../support/sql.js';
import { appTunnelUser, openTunnel, throughPort, writerOf } from '../support/tunnel.js';
import { until } from '../support/until.js';

let installation: Installation;
let addon: string;
let config: Record<string, string>;

beforeAll(async () => {
  installation = await Installation.start();
  ({ name: addon } = await installation.createAddon('shop'));
  config = await installation.config('shop');
});

afterAll(() => installation.stop());

const open = () => openTunnel(appTunnelUser(config), writerOf(config));

const ca = () => installation.environment.BOREALIS_CA_FILE!;

/** Process numbers of this installation's PostgreSQL servers or gateways. */
const pidsOf = (word: string) =>
  processes()
    .filter(({ command }) => command.includes(installation.home) && command.includes(word))
    .map(({ pid }) => pid);

scenario('with service, keeper and platform killed, an open tunnel answers and a new one opens', async () => {
  const tunnel = await open();
  const client = await connectThrough(throughPort(config.DATABASE_URL!, tunnel.localPort), ca());
  for (const name of ['service', 'keeper', 'platform'] as const) {
    kill9(installation.pid(name));
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    const another = await open();
    expect(await query(throughPort(config.DATABASE_URL!, another.localPort), ca(), 'select 1 as one')).toEqual([
      { one: 1 },
    ]);
    await another.close();
  }
  await client.end();
  await tunnel.close();
  await until('all three to be back', () =>
    (['service', 'keeper', 'platform'] as const).every((name) => installation.pid(name) > 0),
  );
  await until(
    'the service to answer',
    async () => (await fetch(`${installation.environment.ADDON_API_URL}/health`)).ok,
  );
});

scenario('a killed gateway comes back at its address with its host key, and PostgreSQL was never touched', async () => {
  const servers = pidsOf('/postgres');
  const [gateway] = pidsOf('gateway.cjs');
  kill9(gateway!);
  const tunnel = await until('a tunnel to open again', () => open());
  expect(await query(throughPort(config.DATABASE_URL!, tunnel.localPort), ca(), 'select 1 as one')).toEqual([
    { one: 1 },
  ]);
  expect(pidsOf('/postgres').filter((pid) => servers.includes(pid)).length).toBeGreaterThan(0);
  await tunnel.close();
});

scenario.full(
  'borealis upgrade-gateway replaces the gateway, and open tunnels and new ones work all the while',
  async () => {
    const tunnel = await open();
    const client = await connectThrough(throughPort(config.DATABASE_URL!, tunnel.localPort), ca());
    let [visits, stopped] = [0, false];
    const visiting = (async () => {
      for (; !stopped; visits++) {
        const another = await open();
        await query(throughPort(config.DATABASE_URL!, another.localPort), ca(), 'select 1 as one');
        await another.close();
      }
    })();
    visiting.catch(() => {});
    const env = { ...process.env, ...installation.environment, BOREALIS_HOME: installation.home };
    for (const which of [[addon], ['--all'], [addon]]) {
      const before = { gateways: pidsOf('gateway.cjs'), visits };
      // What was killed before may have just come back, and then it is refused.
      const { stdout } = await until('the gateway to be ready', async () => {
        const ended = await promisify(execFile)(process.execPath, [CLI, 'upgrade-gateway', ...which], { env }).catch(
          (error: { stdout: string }) => error,
        );
        return ended.stdout.includes('cannot be replaced now') ? null : ended;
      });
      expect(stdout).toContain(`The gateway of ${addon} was replaced.`);
      expect(pidsOf('gateway.cjs').some((pid) => !before.gateways.includes(pid))).toBe(true);
      await until('visits after it', () => visits > before.visits + 1);
    }
    stopped = true;
    await visiting;
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await client.end();
    await tunnel.close();
  },
);

scenario('a killed PostgreSQL comes back by itself with every acknowledged row', async () => {
  const tunnel = await open();
  const url = throughPort(config.DATABASE_URL!, tunnel.localPort);
  await query(
    url,
    ca(),
    'create table acknowledged (id bigint generated always as identity, at timestamptz default now())',
  );
  let acknowledged = 0;
  const client = await connectThrough(url, ca());
  const writing = (async () => {
    for (;;) {
      await client.query('insert into acknowledged default values');
      acknowledged += 1;
    }
  })().catch(() => {});
  await until('some rows', () => acknowledged > 20);
  for (const pid of pidsOf('bin/postgres')) kill9(pid);
  await writing;
  const rows = await until('the database to answer again', () =>
    query<{ n: number }>(url, ca(), 'select count(*)::int as n from acknowledged'),
  );
  expect(rows[0]!.n).toBeGreaterThanOrEqual(acknowledged);
  await tunnel.close();
});

scenario('a crash of the whole supervisor loses nothing: the next start adopts what runs', async () => {
  const before = pidsOf('bin/postgres');
  const tunnel = await open();
  const client = await connectThrough(throughPort(config.DATABASE_URL!, tunnel.localPort), ca());
  await installation.crash();
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  installation = await Installation.start({ home: installation.home });
  expect((await client.query('select 2 as two')).rows).toEqual([{ two: 2 }]);
  expect(pidsOf('bin/postgres').filter((pid) => before.includes(pid)).length).toBeGreaterThan(0);
  await client.end();
  await tunnel.close();
});
