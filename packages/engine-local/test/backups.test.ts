import { existsSync, readdirSync } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterAccess, ClusterSpec } from '@borealis/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { homePaths } from '../src/home/paths.js';
import { findProcesses } from '../src/system/process-identity.js';
import { canBackUp } from './support/client-tools.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { queryDirectly } from './support/superuser.js';
import { tracesOf } from './support/traces.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const hasTools = await canBackUp();
const needs = `needs pg_dump ${SPEC.major}`;
const ID = 'tenants';
const SHARED: ClusterSpec = { ...SPEC, tenancy: 'shared' };
const SECRET = 'a row that nobody may find on the disk';

let home: Awaited<ReturnType<typeof temporaryDirectory>>;
let keeper: KeeperProcess;

const start = async (options = {}) => {
  keeper = await startKeeperProcess(home.path, undefined, { backups: { reserveBytes: 0 }, ...options });
};
const backupsIn = (database: string, id = ID) => join(homePaths(home.path).cluster(id).backups, database);
const sql = (database: string, text: string, id = ID) => queryDirectly(home.path, id, text, database);

function access(revision: number, ...names: string[]): ClusterAccess {
  const roles = names.map((name) => ({ name: `app_rw_${name}`, database: name, verifiers: [], validUntil: null }));
  const databases = names.map((name) => ({ name, owner: `app_rw_${name}` }));
  return { revision, databases, roles, tunnelUsers: [] };
}

const rowsOf = (name: string, count: number) => `set role app_rw_${name};
  create table notes (id serial primary key, what text);
  insert into notes (what) select '${SECRET} ' || md5(n::text) from generate_series(1, ${count}) n`;

/** Changes one bit in the middle of a file. */
async function flipBit(path: string): Promise<void> {
  const file = await open(path, 'r+');
  const at = Math.floor((await stat(path)).size / 2);
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0]! ^= 1;
  await file.write(byte, 0, 1, at);
  await file.close();
}

async function contentOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

beforeAll(async () => {
  if (!hasTools) return;
  home = await temporaryDirectory();
  await start();
}, GENEROUS);
afterAll(async () => {
  if (!hasTools) return;
  for (const id of [ID, 'alone']) await keeper.engine.destroyCluster(id);
  await keeper.kill('SIGTERM');
  await home.remove();
}, GENEROUS);

describe('backups of two tenants who share a cluster', () => {
  beforeAll(async () => {
    if (!hasTools) return;
    await keeper.engine.createCluster(ID, SHARED);
    await untilReady(keeper.engine, ID);
    await keeper.engine.applyAccess(ID, access(1, 'one', 'two'));
    await sql('one', rowsOf('one', 500));
    await sql('two', rowsOf('two', 20));
  }, GENEROUS);

  test.skipIf(!hasTools)(
    `are sealed, proven, read back and gone with their database (${needs})`,
    async () => {
      const { engine } = keeper;
      const both = await Promise.all([1, 2].map(() => engine.backUpDatabase(ID, 'one', 'n1')));
      expect(both[0]).toEqual(both[1]);
      const other = await engine.backUpDatabase(ID, 'two', 'n1');
      expect(both[0]).toMatchObject({ name: 'n1', tables: 1, rows: 500, proof: null });
      expect(await engine.backUpDatabase(ID, 'one', 'n1')).toEqual(both[0]);
      for (const file of readdirSync(backupsIn('one'))) {
        const path = join(backupsIn('one'), file);
        expect((await readFile(path)).includes(SECRET), file).toBe(false);
        expect((await stat(path)).mode & 0o777).toBe(0o600);
      }
      const dump = await contentOf(await engine.readBackup(ID, 'one', 'n1'));
      expect(dump.subarray(0, 5).toString()).toBe('PGDMP');
      expect(dump.includes(SECRET)).toBe(true);

      const proven = await engine.proveBackup(ID, 'one', 'n1');
      expect(proven.proof).toMatchObject({ failure: null, checked: { tables: 1, rows: 500 } });
      expect(proven.proof!.checked.indexes).toBeGreaterThan(0);
      expect(await engine.backups(ID, 'one')).toEqual([proven]);
      expectNoScratch(ID);

      await engine.applyAccess(ID, access(2, 'two'));
      await engine.dropDatabase(ID, 'one');
      expect(existsSync(backupsIn('one'))).toBe(false);
      const record = JSON.parse(await readFile(homePaths(home.path).cluster(ID).record, 'utf8'));
      expect(Object.keys(record.backupKeys)).toEqual(['two']);
      expect(await engine.backups(ID, 'two')).toEqual([other]);
    },
    GENEROUS,
  );

  test.skipIf(!hasTools)(
    `that were damaged are told, and not given out (${needs})`,
    async () => {
      const { engine } = keeper;
      await flipBit(join(backupsIn('two'), 'n1.dump.sealed'));
      const { proof } = await engine.proveBackup(ID, 'two', 'n1');
      expect(proof).toMatchObject({ failure: 'Its file is not what was sealed (damaged).', checked: { rows: 0 } });
      await expect(engine.readBackup(ID, 'two', 'n1').then(contentOf)).rejects.toThrow();
      await engine.dropBackup(ID, 'two', 'n1');
      await engine.dropBackup(ID, 'two', 'n1');
      expect(await engine.backups(ID, 'two')).toEqual([]);
      expect(readdirSync(backupsIn('two'))).toEqual([]);
      await expect(engine.proveBackup(ID, 'two', 'n1')).rejects.toMatchObject({ code: 'not_found' });
      await expect(engine.backUpDatabase(ID, 'two', '../up')).rejects.toMatchObject({ code: 'unsupported' });
      await expect(engine.backUpDatabase(ID, 'three', 'n1')).rejects.toMatchObject({ code: 'not_ready' });
      expectNoScratch(ID);
    },
    GENEROUS,
  );
});

function expectNoScratch(id: string): void {
  const { scratch, scratchSockets } = homePaths(home.path).cluster(id);
  expect([scratch, scratchSockets].filter((path) => existsSync(path))).toEqual([]);
}

describe.skipIf(!isFull || !hasTools)('backups of a cluster of its own', () => {
  beforeAll(async () => {
    await keeper.engine.createCluster('alone', SPEC);
    await untilReady(keeper.engine, 'alone');
    await keeper.engine.applyAccess('alone', access(1, 'big'));
    await sql('big', rowsOf('big', 100_000), 'alone');
  }, GENEROUS);
  const directory = () => backupsIn('big', 'alone');
  const scratchServers = () => findProcesses(null, join(homePaths(home.path).cluster('alone').scratch, 'data'));

  test(
    'are begun anew when the keeper was killed, and nothing of the first attempt is left',
    async () => {
      const making = keeper.engine.backUpDatabase('alone', 'big', 'k1').catch(() => null);
      await eventually(
        'a file that is being sealed',
        async () => existsSync(directory()) && readdirSync(directory())[0],
      );
      await keeper.kill('SIGKILL');
      await making;
      await start();
      await untilReady(keeper.engine, 'alone');
      const made = await keeper.engine.backUpDatabase('alone', 'big', 'k1');
      expect(made.rows).toBe(100_000);
      expect(readdirSync(directory()).sort()).toEqual(['k1.contents.sealed', 'k1.dump.sealed', 'k1.json']);

      const proving = keeper.engine.proveBackup('alone', 'big', 'k1').catch(() => null);
      await eventually('a server to restore into', async () => (await scratchServers()).length > 0);
      await keeper.kill('SIGKILL');
      await proving;
      await start();
      await eventually('the server that was left is gone', async () => (await scratchServers()).length === 0);
      await untilReady(keeper.engine, 'alone');
      const proven = await keeper.engine.proveBackup('alone', 'big', 'k1');
      expect(proven.proof).toMatchObject({ failure: null, checked: { rows: 100_000 } });
      expectNoScratch('alone');
    },
    GENEROUS,
  );

  test(
    'are refused where there is no room',
    async () => {
      await keeper.kill('SIGKILL');
      await start({ backups: { reserveBytes: Number.MAX_SAFE_INTEGER } });
      await untilReady(keeper.engine, 'alone');
      const before = readdirSync(directory());
      await expect(keeper.engine.backUpDatabase('alone', 'big', 'k2')).rejects.toMatchObject({ code: 'no_room' });
      expect(readdirSync(directory())).toEqual(before);
      expect(await sql('big', 'select count(*)::int as n from public.notes', 'alone')).toEqual([{ n: 100_000 }]);
    },
    GENEROUS,
  );

  test(
    'end with their cluster, which leaves nothing',
    async () => {
      const making = keeper.engine.backUpDatabase('alone', 'big', 'k3').catch((error: unknown) => error);
      await keeper.engine.destroyCluster('alone');
      await making;
      expect(await tracesOf(home.path, 'alone')).toEqual([]);
      await keeper.engine.createCluster('alone', SPEC);
    },
    GENEROUS,
  );
});
