import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { homePaths, keeperSocket } from '../src/home/paths.js';
import type { KeeperOptions } from '../src/options.js';
import { requestControlDatabase } from '../src/rpc/client.js';
import { eventually, GENEROUS, temporaryDirectory } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { breakRelease, cacheOfBoth, NEWER, OLDER } from './support/minors.js';
import { processesOf } from './support/traces.js';

/** All of this takes long. */
const fullTest = test.skipIf(process.env.BOREALIS_TEST !== 'full');

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let cacheDir: string;
let keeper: KeeperProcess | undefined;

beforeAll(async () => {
  if (process.env.BOREALIS_TEST !== 'full') return;
  directory = await temporaryDirectory();
  home = join(directory.path, 'home');
  cacheDir = await cacheOfBoth(directory.path);
  await start();
  await connectAnd((client) => client.query('create table kept as select 7 as value'));
  await stop();
}, GENEROUS);

afterAll(async () => {
  await stop();
  await directory?.remove();
}, GENEROUS);

async function start(options: Partial<KeeperOptions> = {}): Promise<void> {
  keeper = await startKeeperProcess(home, undefined, { cacheDir, ...options });
}

async function stop(): Promise<void> {
  await keeper?.kill('SIGTERM');
  keeper = undefined;
}

const request = () => requestControlDatabase(keeperSocket(home));

/** As the service does. */
async function connectAnd<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const { password, ...database } = await request();
  const client = new pg.Client({ ...database, password: password.reveal() });
  await client.connect();
  return work(client).finally(() => client.end());
}

/** The release of the running server; whatever it is, the data is there. */
const version = () =>
  connectAnd(async (client) => {
    const { rows } = await client.query("select value, current_setting('server_version') as version from kept");
    expect(rows).toMatchObject([{ value: 7 }]);
    return (rows[0] as { version: string }).version;
  });

const path = () => homePaths(home).cluster('control').record;
const record = async () => JSON.parse(await readFile(path(), 'utf8'));

/** A minor release can take over from any other: as if it had been made by an earlier version of this program. */
async function goBack(): Promise<void> {
  await stop();
  await writeFile(path(), JSON.stringify({ ...(await record()), version: OLDER, next: null, lastRestart: null }));
}

fullTest(
  'the control database gets the newest release before it is used, unless the operator has turned that off, and never an older one',
  async () => {
    await goBack();
    await start({ minorUpgrades: 'off' });
    expect(await version()).toBe(OLDER);
    await stop();
    await start();
    const [first, second] = await Promise.all([request(), request()]);
    expect(first).toEqual(second);
    expect(await version()).toBe(NEWER);
    const { lastRestart } = await record();
    expect(lastRestart).toMatchObject({ from: OLDER, to: NEWER, failure: null });
    const pids = async () => (await processesOf(home, 'control')).servers.map(({ pid }) => pid);
    const running = await pids();
    expect(running).toHaveLength(1);
    // A service that starts again finds nothing to do.
    expect(await version()).toBe(NEWER);
    expect(await pids()).toEqual(running);
  },
  GENEROUS,
);

fullTest(
  'a release that does not start is refused, and the one before is used',
  async () => {
    await goBack();
    const repair = await breakRelease(cacheDir, NEWER);
    try {
      await start();
      expect(await version()).toBe(OLDER);
      const refused = (await keeper!.engine.releases()).flatMap((offer) => offer.refused);
      expect(refused).toMatchObject([{ version: NEWER, reason: expect.stringContaining('"control"') }]);
      const { lastRestart } = await record();
      expect(await version()).toBe(OLDER);
      expect((await record()).lastRestart).toEqual(lastRestart);
    } finally {
      await repair();
    }
    await keeper!.engine.allowRelease(NEWER);
    expect(await version()).toBe(NEWER);
  },
  GENEROUS,
);

fullTest(
  'a keeper killed at any moment of it converges to one server of the newest release',
  async () => {
    for (const [stage, delay] of [
      ['preparing', 0],
      ['switching', 0],
      ['switching', 60],
    ] as const) {
      await goBack();
      await start();
      request().catch(() => undefined);
      await eventually('the upgrade comes so far', async () => {
        const { next, lastRestart } = await record();
        return next?.stage === stage || lastRestart !== null;
      });
      await sleep(delay);
      await keeper!.kill('SIGKILL');
      await start();
      expect(await version(), `${stage} ${delay}`).toBe(NEWER);
      expect((await processesOf(home, 'control')).servers).toHaveLength(1);
      expect(await record()).toMatchObject({ version: NEWER, next: null });
    }
  },
  2 * GENEROUS,
);
