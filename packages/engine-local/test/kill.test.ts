import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterAccess, Engine } from '@borealis/engine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { queryDirectly } from './support/superuser.js';
import { processesOf, tracesOf } from './support/traces.js';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let keeper: KeeperProcess;

beforeAll(async () => {
  directory = await temporaryDirectory();
  home = `${directory.path}/home`;
  keeper = await startKeeperProcess(home);
}, GENEROUS);

afterAll(async () => {
  await keeper.kill('SIGTERM');
  await directory.remove();
}, GENEROUS);

/** They take long. */
const fullTest = test.skipIf(process.env.BOREALIS_TEST !== 'full');
/** Milliseconds after the call. */
const CREATION = [0, 30, 60, 100, 150, 220, 300, 400, 600, 900, 1200, 1800, 2400];
const DESTRUCTION = [0, 10, 20, 40, 60, 90, 120, 180, 250, 400];

const RESTRICTION = [0, 20, 40, 70, 100, 150, 200, 300, 400, 600];

const RIGHTS = `select oid::regclass::text as name, relowner::regrole::text as owner,
  (select array_agg(a::text order by a::text) from unnest(relacl) as a) as rights from pg_class where relnamespace = 'public'::regnamespace order by 1`;
const MAY_WRITE = `select count(*)::int as tables from pg_class
  where relkind = 'r' and relnamespace = 'public'::regnamespace and has_table_privilege('app_rw_rights', oid, 'insert')`;

function access(revision: number, restricted: boolean): ClusterAccess {
  const database = 'rights_db';
  const names = ['app_rw_rights', 'app_ro_rights', 'p_rw_rights'];
  return {
    revision,
    databases: [{ name: database, owner: 'app_rw_rights', restricted }],
    roles: names.map((name) => ({ name, database, verifiers: [], validUntil: null })),
    tunnelUsers: [],
  };
}

/** Kills the keeper again and again while `work` is under way, each time a little later, and starts the next. */
async function killDuring(moments: number[], work: (engine: Engine) => Promise<unknown>): Promise<void> {
  for (const milliseconds of moments) {
    const call = work(keeper.engine).catch(() => undefined);
    await sleep(milliseconds + Math.random() * 50);
    await keeper.kill('SIGKILL');
    await call;
    keeper = await startKeeperProcess(home);
  }
}

fullTest(
  'a keeper killed at any moment of a creation converges to one PostgreSQL and one gateway',
  async () => {
    const first = await keeper.engine.createCluster('creation', SPEC);
    await killDuring(CREATION, (engine) => engine.createCluster('creation', SPEC));
    const state = await untilReady(keeper.engine, 'creation');
    expect(state.gateway).toEqual(first.gateway);
    const { servers, gateways } = await processesOf(home, 'creation');
    expect([servers.length, gateways.length]).toEqual([1, 1]);
  },
  GENEROUS,
);

fullTest(
  'a keeper killed at any moment of a restriction and of its lifting converges to the document',
  async () => {
    const rights = () => queryDirectly(home, 'creation', RIGHTS, 'rights_db');
    let revision = 1;
    await keeper.engine.applyAccess('creation', access(revision, false));
    const statements = Array.from({ length: 40 }, (_, n) => `create table t${n} (id serial primary key, v text)`);
    await queryDirectly(home, 'creation', ['set role app_rw_rights', ...statements].join(';'), 'rights_db');
    const free = await rights();
    for (const milliseconds of RESTRICTION) {
      for (const restricted of [true, false]) {
        const document = access(++revision, restricted);
        await killDuring([milliseconds], (engine) => engine.applyAccess('creation', document));
        await untilReady(keeper.engine, 'creation');
        await keeper.engine.applyAccess('creation', document);
        const allowed = await queryDirectly(home, 'creation', MAY_WRITE, 'rights_db');
        expect(allowed).toEqual([{ tables: restricted ? 0 : 40 }]);
      }
    }
    expect(await rights()).toEqual(free);
  },
  GENEROUS,
);

fullTest(
  'a keeper killed at any moment of a destruction leaves nothing',
  async () => {
    await killDuring(DESTRUCTION, (engine) => engine.destroyCluster('creation'));
    await keeper.engine.destroyCluster('creation');
    expect(await tracesOf(home, 'creation')).toEqual([]);
    expect(await keeper.engine.cluster('creation')).toBeNull();
  },
  GENEROUS,
);

fullTest(
  'what is destroyed while it is being created leaves nothing',
  async () => {
    await keeper.engine.createCluster('halfway', SPEC);
    await killDuring([200], (engine) => engine.createCluster('halfway', SPEC));
    await keeper.engine.destroyCluster('halfway');
    expect(await tracesOf(home, 'halfway')).toEqual([]);
  },
  GENEROUS,
);
