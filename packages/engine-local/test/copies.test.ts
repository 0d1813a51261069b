import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, chown, mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterAccess, ClusterSpec, Engine } from '@borealis/engine';
import { cacheDirectory } from '@borealis/postgres';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mountable } from '../../../test/support/mountable.js';
import { closedParent } from '../src/home/home.js';
import { homePaths, runtimeDirectory } from '../src/home/paths.js';
import { startKeeper } from '../src/keeper.js';
import { eventually, GENEROUS, gatewayBundle, isRoot, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { queryDirectly } from './support/superuser.js';
import { processesOf, tracesOf } from './support/traces.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const LEDGER = `
  create table accounts (id int primary key, balance int not null);
  insert into accounts select n, 0 from generate_series(1, 200) n;
  create table entries (id serial primary key, account int not null, amount int not null);
  create table bulk as select n, repeat(md5(n::text), 30) as filler from generate_series(1, 60000) n;`;
const SUMS = `select (select sum(balance)::int from public.accounts) as balance,
  (select sum(amount)::int from public.entries) as entries, (select count(*)::int from public.entries where id <= $1) as found`;
const RIGHTS = `select relname, regexp_replace(relowner::regrole::text, '_[a-z0-9]+$', '') as owner,
    (select array_agg(regexp_replace(a::text, '_(one|two)', '', 'g') order by a::text) from unnest(relacl) as a) as rights
  from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'S') order by 1`;

function access(name: string, revision: number, restricted = false): ClusterAccess {
  const roles = [`app_rw_${name}`, `app_ro_${name}`].map((role) => ({
    name: role,
    database: name,
    verifiers: [],
    validUntil: null,
  }));
  return { revision, databases: [{ name, owner: roles[0]!.name, restricted }], roles, tunnelUsers: [] };
}

const ORIGIN: ClusterSpec['origin'] = {
  clusterId: 'source',
  moment: null,
  renames: {
    databases: [{ from: 'one', to: 'two' }],
    roles: ['app_rw', 'app_ro'].map((kind) => ({ from: `${kind}_one`, to: `${kind}_two` })),
  },
};
const COPY: ClusterSpec = { ...SPEC, origin: ORIGIN };

/** A session of the keeper's own role, in which one statement after the other moves money, until it is stopped. */
async function startWriter(home: string) {
  const state = { acknowledged: 0, stopped: false };
  const run = async () => {
    while (!state.stopped) {
      const account = 1 + Math.floor(Math.random() * 200);
      const rows = await queryDirectly(
        home,
        'source',
        `with moved as (update accounts set balance = balance + 7 where id = ${account} returning id)
         insert into entries (account, amount) select id, 7 from moved returning id`,
        'one',
      );
      state.acknowledged = (rows[0] as { id: number }).id;
    }
  };
  const running = run();
  await eventually('a first commit', async () => state.acknowledged > 0);
  return {
    state,
    async stop() {
      state.stopped = true;
      await running;
    },
  };
}

async function makeSource(engine: Engine, home: string): Promise<void> {
  await engine.createCluster('source', SPEC);
  await untilReady(engine, 'source');
  await engine.applyAccess('source', access('one', 1));
  await queryDirectly(home, 'source', `set role app_rw_one; ${LEDGER}`, 'one');
}

/** How a role's log-in over the cluster's own socket ends. */
async function logIn(home: string, id: string, user: string, password: string, database: string): Promise<string> {
  const host = homePaths(home).cluster(id).socketDirectory;
  const client = new pg.Client({ host, port: 5432, user, password, database });
  try {
    await client.connect();
    return 'let in';
  } catch (error) {
    return (error as Error).message;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** `nobody`: exists everywhere and may do nothing. Run by an ordinary user, the tests keep that user. */
const USER = isRoot ? { uid: 65_534, gid: 65_534 } : undefined;
const closed = USER !== undefined && (await closedParent(import.meta.filename)) !== null;

const KEEPERS = [
  {
    who: isRoot ? 'root, each cluster with users of its own' : 'an ordinary user',
    user: undefined,
    skipped: !isFull,
    moments: [0, 200, 500, 900, 1400, 2000],
  },
  {
    who: 'an ordinary user (needs root, and a checkout that others can enter)',
    user: USER,
    skipped: !isFull || !isRoot || closed,
    moments: [400, 1200],
  },
];

describe.each(KEEPERS)('copies made by $who (in the full suite)', ({ user, skipped, moments }) => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let keeper: KeeperProcess;

  beforeAll(async () => {
    if (skipped) return;
    directory = await temporaryDirectory();
    home = `${directory.path}/h`;
    await mkdir(home);
    if (user) await chown(home, user.uid, user.gid);
    keeper = await startKeeperProcess(home, user);
    await makeSource(keeper.engine, home);
  }, GENEROUS);

  afterAll(async () => {
    if (skipped) return;
    await keeper.kill('SIGTERM');
    await directory.remove();
    await rm(runtimeDirectory(home), { recursive: true, force: true });
  }, GENEROUS);

  async function restart(): Promise<void> {
    await keeper.kill('SIGKILL');
    keeper = await startKeeperProcess(home, user);
  }

  test.skipIf(skipped)(
    'a keeper killed at any moment of a copy converges to one that has every acknowledged commit and nothing by halves',
    async () => {
      const writer = await startWriter(home);
      const before = writer.state.acknowledged;
      const { gateway } = await keeper.engine.createCluster('copy', COPY);
      for (const milliseconds of moments) {
        await sleep(milliseconds);
        await restart();
      }
      const state = await untilReady(keeper.engine, 'copy');
      await writer.stop();
      expect(state.gateway).toEqual(gateway);
      const { servers, gateways } = await processesOf(home, 'copy');
      expect([servers.length, gateways.length]).toEqual([1, 1]);
      const sums = SUMS.replace('$1', String(before));
      const [row] = (await queryDirectly(home, 'copy', sums, 'two')) as {
        balance: number;
        entries: number;
        found: number;
      }[];
      expect(row!.balance).toBe(row!.entries);
      expect(row!.found).toBe(before);
      expect(await queryDirectly(home, 'source', 'select from pg_replication_slots')).toEqual([]);
    },
    GENEROUS,
  );

  test.skipIf(skipped)(
    'no password of the source lets anybody into the copy, before and after its first access document',
    async () => {
      const secrets = JSON.parse(
        execFileSync('cat', [homePaths(home).cluster('source').record], { encoding: 'utf8' }),
      ) as { superuserPassword: string; backendPassword: string };
      const attempts = () =>
        Promise.all([
          logIn(home, 'copy', 'borealis', secrets.superuserPassword, 'postgres'),
          logIn(home, 'copy', 'app_rw_two', secrets.backendPassword, 'two'),
          logIn(home, 'copy', 'app_rw_one', secrets.backendPassword, 'two'),
        ]);
      for (const outcome of await attempts()) expect(outcome).toMatch(/authentication failed/);
      await keeper.engine.applyAccess('copy', access('two', 1));
      for (const outcome of await attempts()) expect(outcome).toMatch(/authentication failed/);
      await keeper.engine.destroyCluster('copy');
      expect(await tracesOf(home, 'copy')).toEqual([]);
    },
    GENEROUS,
  );

  test.skipIf(skipped)(
    'the copy of a restricted database can be written to, with all rights as they were',
    async () => {
      const free = await queryDirectly(home, 'source', RIGHTS, 'one');
      await keeper.engine.applyAccess('source', access('one', 2, true));
      await keeper.engine.createCluster('freed', COPY);
      await untilReady(keeper.engine, 'freed');
      await keeper.engine.applyAccess('freed', access('two', 1));
      expect(await queryDirectly(home, 'freed', RIGHTS, 'two')).toEqual(free);
      await queryDirectly(
        home,
        'freed',
        'set role app_rw_two; insert into entries (account, amount) values (1, 1); create table more ()',
        'two',
      );
      await expect(queryDirectly(home, 'source', 'set role app_rw_one; delete from entries', 'one')).rejects.toThrow(
        'permission denied',
      );
      await keeper.engine.applyAccess('source', access('one', 3));
      await keeper.engine.destroyCluster('freed');
    },
    GENEROUS,
  );

  /** A small source may have been copied between two looks. */
  function untilCopying(engine: Engine, id: string): Promise<boolean> {
    const phases = ['copying', 'starting', 'ready'];
    return eventually('copying', async () => phases.includes((await engine.cluster(id))?.phase ?? ''));
  }

  async function killSource(): Promise<void> {
    const { servers } = await processesOf(home, 'source');
    for (const { pid } of servers) process.kill(pid, 'SIGKILL');
  }

  test.skipIf(skipped)(
    'it waits for a source that is down, can be destroyed meanwhile, and says when its source is gone',
    async () => {
      const { engine } = keeper;
      await engine.createCluster('waiting', COPY);
      await untilCopying(engine, 'waiting');
      await killSource();
      await untilReady(engine, 'waiting');
      await engine.destroyCluster('waiting');

      await engine.createCluster('ended', COPY);
      await untilCopying(engine, 'ended');
      await engine.destroyCluster('ended');
      expect(await tracesOf(home, 'ended')).toEqual([]);

      await killSource();
      await engine.createCluster('orphan', COPY);
      await engine.destroyCluster('source');
      const said = async () =>
        (await engine.cluster('orphan'))?.detail.includes('"source", which was to be copied, is gone');
      await eventually('the sentence', said);
      await engine.destroyCluster('orphan');
      expect(await tracesOf(home, 'orphan')).toEqual([]);
    },
    GENEROUS,
  );
});

const canMount = isFull && mountable() && spawnSync('mkfs.xfs', ['-V']).status === 0;

test.skipIf(!canMount)(
  'where the file system can, a copy shares its blocks with the source (as root, with xfsprogs, in the full suite)',
  async () => {
    const directory = await temporaryDirectory();
    const disk = `${directory.path}/x`;
    await mkdir(disk);
    await writeFile(`${disk}.img`, '');
    await truncate(`${disk}.img`, 1_000_000_000);
    execFileSync('mkfs.xfs', ['-q', '-m', 'reflink=1', `${disk}.img`]);
    execFileSync('mount', ['-o', 'loop', `${disk}.img`, disk]);
    try {
      await chmod(disk, 0o755);
      const told: string[] = [];
      const log = pino({ level: 'info' }, { write: (line: string) => void told.push(line) });
      const home = `${disk}/h`;
      const keeper = await startKeeper({ home, cacheDir: cacheDirectory(), gatewayBundle: gatewayBundle(), log });
      try {
        await makeSource(keeper.engine, home);
        await keeper.engine.createCluster('copy', COPY);
        await untilReady(keeper.engine, 'copy');
        expect(told.filter((line) => line.includes('a cluster was copied'))).toEqual([
          expect.stringContaining('"method":"reflink"'),
        ]);
        const [file] = (await queryDirectly(
          home,
          'copy',
          `select pg_relation_filepath('public.bulk') as path`,
          'two',
        )) as { path: string }[];
        const extents = execFileSync('filefrag', ['-v', `${homePaths(home).cluster('copy').data}/${file!.path}`], {
          encoding: 'utf8',
        });
        expect(extents).toContain('shared');
      } finally {
        await keeper.stop({ clusters: true });
      }
    } finally {
      execFileSync('umount', [disk]);
      await directory.remove();
    }
  },
  GENEROUS,
);
