import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { Secret } from '@borealis/contract';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { homePaths } from '../../src/home/paths.js';
import { listBackups } from '../../src/store/list-backups.js';
import { openStore } from '../../src/store/open-store.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from '../support/home.js';
import { type KeeperProcess, startKeeperProcess } from '../support/keeper-process.js';
import { queryDirectly } from '../support/superuser.js';
import { BUCKET, hasSwift, type S3Server, startS3Server } from './s3-server.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const ID = 'away';
const LOCATION = `s3://${BUCKET}/borealis`;
const WRAPPING_KEY = new Secret(randomBytes(32));
const RENAMES = {
  databases: [{ from: 'app', to: 'again' }],
  roles: [{ from: 'app_rw_away', to: 'app_rw_again' }],
};
/** Stands among what opens the store, and nowhere else on this machine. */
const MARK = randomBytes(16).toString('hex');

/** The processes in whose environment the mark is. */
async function marked(): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => (await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')).includes(MARK)),
  );
  return pids.filter((_, at) => found[at]).map(Number);
}

describe.skipIf(!isFull || !hasSwift())('a cluster in S3 (needs python3-swift, in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let server: S3Server;
  let keeper: KeeperProcess;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = `${directory.path}/h`;
    server = await startS3Server();
    for (const [name, value] of Object.entries(server.env)) vi.stubEnv(name, value);
    await mkdir(home);
    const options = { bases: { first: 0 }, store: { location: LOCATION, wrappingKey: WRAPPING_KEY } };
    keeper = await startKeeperProcess(home, undefined, options, { ...server.env, AWS_MARK: MARK });
  }, GENEROUS);
  afterAll(async () => {
    vi.unstubAllEnvs();
    await keeper?.kill('SIGTERM');
    await server?.remove();
    await directory?.remove();
  }, GENEROUS);

  test(
    'it comes into the bucket, is made anew from there, and goes with the cluster; its processes know nothing of what opens the bucket',
    async () => {
      await keeper.engine.createCluster(ID, SPEC);
      await untilReady(keeper.engine, ID);
      await keeper.engine.applyAccess(ID, {
        revision: 1,
        databases: [{ name: 'app', owner: 'app_rw_away' }],
        roles: [{ name: 'app_rw_away', database: 'app', verifiers: [], validUntil: null }],
        tunnelUsers: [],
      });
      await queryDirectly(home, ID, 'create table public.rows as select generate_series(1, 1000) as n', 'app');
      const written = new Date().toISOString();
      await eventually('the store has it', async () => {
        const { upTo } = (await keeper.engine.storedBackup(ID, 'app')) ?? {};
        return (upTo ?? '') > written;
      });
      // A process that has just been forked shows its parent's environment for a moment.
      await eventually('only the keeper knows', async () => `${await marked()}` === `${keeper.pid}`);
      const { id } = JSON.parse(await readFile(homePaths(home).identity, 'utf8')) as { id: string };
      const store = openStore(LOCATION);
      expect(await listBackups(store, WRAPPING_KEY)).toMatchObject([
        { name: `${id}-${ID}`, cluster: { major: SPEC.major, databases: [{ name: 'app' }] } },
      ]);
      await keeper.engine.createCluster('again', {
        ...SPEC,
        origin: { clusterId: `${id}-${ID}`, fromStore: true, moment: null, renames: RENAMES },
      });
      await untilReady(keeper.engine, 'again');
      expect(await queryDirectly(home, 'again', 'select sum(n)::int from public.rows', 'again')).toEqual([
        { sum: 500_500 },
      ]);
      await keeper.engine.destroyCluster('again');
      await keeper.engine.destroyCluster(ID);
      await eventually('the store has nothing of it', async () => (await store.list('')).length === 0);
    },
    GENEROUS,
  );
});
