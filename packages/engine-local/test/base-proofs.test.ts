import { existsSync } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BaseReceipt } from '@borealis/contract';
import type { ClusterAccess, EngineEvent } from '@borealis/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_POLICY, type BasePolicy, dueForProof } from '../src/copies/base-policy.js';
import { listBases } from '../src/copies/bases.js';
import { type ClusterPaths, homePaths } from '../src/home/paths.js';
import { findProcesses } from '../src/system/process-identity.js';
import { eventually, GENEROUS, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { queryDirectly } from './support/superuser.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const ID = 'proven';
const ACCESS: ClusterAccess = {
  revision: 1,
  databases: [{ name: 'notes', owner: 'app_rw_notes' }],
  roles: [{ name: 'app_rw_notes', database: 'notes', verifiers: [], validUntil: null }],
  tunnelUsers: [],
};
const ROWS = 20_000;
/** Long values that PostgreSQL keeps beside the table, too. */
const FILL = `set role app_rw_notes; create table notes (id serial primary key, what text);
  alter table notes alter what set storage external;
  insert into notes (what) select repeat(md5(n::text), case when n % 100 = 0 then 200 else 1 end)
  from generate_series(1, ${ROWS}) n`;

describe.skipIf(!isFull)('a base with the log since (in the full suite)', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let home: string;
  let paths: ClusterPaths;
  let keeper: KeeperProcess;

  const start = async (policy: Partial<BasePolicy>) => {
    keeper = await startKeeperProcess(home, undefined, {
      bases: { first: 0, proveAfter: 0, ...policy },
      backups: { reserveBytes: 0 },
    });
    await untilReady(keeper.engine, ID);
  };
  const restart = async (policy: Partial<BasePolicy>) => {
    await keeper.kill('SIGKILL');
    await start(policy);
  };
  const servers = () => findProcesses(null, join(paths.proof, 'data'));
  const untilGone = () =>
    eventually('nothing that is left of a proof', async () => {
      const left = [paths.proof, paths.proofSockets, paths.proofStage].filter((path) => existsSync(path));
      return left.length === 0 && (await servers()).length === 0;
    });
  const provenAfter = (moment: string): Promise<BaseReceipt> =>
    eventually('a proof', async () => {
      const proof = (await keeper.engine.restoreWindow(ID))?.proof;
      return proof && proof.at > moment ? proof : null;
    });
  const told = async (): Promise<EngineEvent[]> => {
    const { events } = await keeper.engine.events(null, 0);
    return events.filter(({ type }) => type.startsWith('proofs-'));
  };
  const now = () => new Date().toISOString();

  beforeAll(async () => {
    directory = await temporaryDirectory();
    home = `${directory.path}/h`;
    paths = homePaths(home).cluster(ID);
    keeper = await startKeeperProcess(home);
    await keeper.engine.createCluster(ID, SPEC);
    await untilReady(keeper.engine, ID);
    await keeper.engine.applyAccess(ID, ACCESS);
    await queryDirectly(home, ID, FILL, 'notes');
    await restart({});
  }, GENEROUS);

  afterAll(async () => {
    await keeper.engine.destroyCluster(ID);
    await keeper.kill('SIGTERM');
    await directory.remove();
  }, GENEROUS);

  test(
    'is restored into a server of its own, read there, and the receipt is kept',
    async () => {
      const proof = await provenAfter('');
      expect(proof).toMatchObject({ failure: null, checked: { databases: 3 } });
      expect(proof.checked.rows).toBeGreaterThan(ROWS);
      expect(proof.checked.indexes).toBeGreaterThan(100);
      expect(proof.upTo > proof.base).toBe(true);
      expect(proof).not.toHaveProperty('segment');
      const { events } = await keeper.engine.events(null, 0);
      const what = expect.stringContaining(`was restored to ${proof.upTo}`);
      expect(events.find(({ type }) => type === 'base-proven')).toMatchObject({ clusterId: ID, what });
      await untilGone();
    },
    GENEROUS,
  );

  test(
    'raises the alarm when a file of the log was damaged, and is well when it is whole again',
    async () => {
      const segment = (await proofInRecord()).segment;
      const sealed = join(paths.archive, `${segment}.sealed`);
      await flipBit(sealed);
      const since = now();
      await restart({ proveEvery: 0 });
      const bad = await provenAfter(since);
      expect(bad.failure).toMatch(/a file of the log is not what was archived \(damaged\)\.$/);
      expect(bad.checked.rows).toBe(0);
      expect(await told()).toEqual([expect.objectContaining({ type: 'proofs-failing', what: bad.failure })]);
      await flipBit(sealed);
      await eventually('the end of it', async () => (await told()).length === 2);
      expect((await told())[1]).toMatchObject({ type: 'proofs-recovered' });
    },
    GENEROUS,
  );

  test(
    'raises the alarm when a page of the base was damaged',
    async () => {
      const [base] = await listBases(paths.bases);
      // Of pg_proc in the template database, which nobody has written to since.
      const page = join(base!.data, 'base/1/1255');
      await flipBit(page);
      await eventually('the alarm', async () => (await told()).length === 3);
      expect((await told())[2]).toMatchObject({
        type: 'proofs-failing',
        what: expect.stringContaining('data or an index is damaged as it sees it'),
      });
      await flipBit(page);
    },
    GENEROUS,
  );

  test(
    'leaves nothing of a proof in the middle of which the keeper was killed',
    async () => {
      await restart({ proveEvery: 0 });
      await eventually('a server to restore into', async () => (await servers()).length > 0);
      await restart({});
      await untilGone();
      expect(await queryDirectly(home, ID, 'select count(*)::int as n from public.notes', 'notes')).toEqual([
        { n: ROWS },
      ]);
    },
    GENEROUS,
  );

  async function proofInRecord(): Promise<{ segment: string }> {
    const { baseProof } = JSON.parse(await readFile(paths.record, 'utf8')) as { baseProof: { segment: string } };
    return baseProof;
  }
});

/** Changes one bit in the middle of a file, or back. */
async function flipBit(path: string): Promise<void> {
  const file = await open(path, 'r+');
  const at = Math.floor((await stat(path)).size / 2);
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0]! ^= 1;
  await file.write(byte, 0, 1, at);
  await file.close();
}

const HOUR = 3_600_000;
const NOW = Date.parse('2026-03-01T12:00:00Z');
const at = (hours: number) => new Date(NOW - hours * HOUR).toISOString();
const made = (hours: number) => ({ method: 'reflink' as const, stoppedAt: at(hours) });
const proof = (hours: number, base: number, failure: string | null) => ({
  ...{ at: at(hours), base: at(base), failure },
});

test('the newest base that is an hour old is proven once a day, and the next one sooner when it was bad', () => {
  const bases = [3, 2, 0.5].map(made);
  const due = (last: Parameters<typeof dueForProof>[1]) => dueForProof(bases, last, BASE_POLICY, NOW);
  expect(dueForProof([made(0.5)], null, BASE_POLICY, NOW)).toBeNull();
  expect(due(null)).toEqual(made(2));
  expect(due(proof(23, 24, null))).toBeNull();
  expect(due(proof(24, 25, null))).toEqual(made(2));
  expect(due(proof(1, 3, 'It is bad.'))).toEqual(made(2));
  expect(due(proof(1, 2, 'It is bad.'))).toBeNull();
  expect(due(proof(25, 2, 'It is bad.'))).toEqual(made(2));
});
