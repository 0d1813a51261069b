import { randomBytes } from 'node:crypto';
import { chown, cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Secret } from '@borealis/contract';
import {
  connect,
  findServer,
  offeredMajors,
  type ServerSpec,
  startServer,
  stopServer,
  writeConfiguration,
} from '@borealis/postgres';
import { temporaryServer } from '@borealis/postgres/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { restoreCommand, stageWal } from '../../src/archive/stage.js';
import { WalArchive } from '../../src/archive/wal-archive.js';
import { isSegment } from '../../src/archive/wal-names.js';
import { eventually, GENEROUS } from '../support/home.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const majors = isFull ? offeredMajors() : ['16'];
const SEGMENTS = 12;

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}, GENEROUS);

async function query<T>(spec: ServerSpec, ...statements: string[]): Promise<T[]> {
  const client = await connect(spec);
  try {
    let rows: unknown[] = [];
    for (const sql of statements) ({ rows } = await client.query(sql));
    return rows as T[];
  } finally {
    await client.end();
  }
}

/** A server with a table, a copy of its stopped data directory, and an archive with all that was written since. */
async function archivedServer(major: string): Promise<{ spec: ServerSpec; base: string; archive: WalArchive }> {
  const server = await temporaryServer(major, { archiving: true });
  cleanups.push(() => server.remove());
  const { spec } = server;
  const root = join(spec.dataDirectory, '..');
  const base = join(root, 'base');
  await query(spec, 'create table public.numbers as select n from generate_series(1, 1000) as n');
  await stopServer(server.identity, { mode: 'fast', seconds: 60 });
  await cp(spec.dataDirectory, base, { recursive: true });
  await startServer(spec);
  for (let n = 0; n < SEGMENTS; n++)
    await query(
      spec,
      `insert into public.numbers select generate_series(${1001 + n * 100}, ${1100 + n * 100})`,
      'select pg_switch_wal()',
    );
  const directory = join(root, 'archive');
  await mkdir(directory, { mode: 0o700 });
  const uid = spec.os?.uid ?? process.getuid!();
  const archive = new WalArchive({ directory, spool: spec.walSpool!, uid, key: new Secret(randomBytes(32)) });
  await eventually('all finished WAL in the archive', async () => {
    for (const name of await archive.spooled()) await archive.take(name);
    return (await archive.segments()).length > SEGMENTS;
  });
  await stopServer((await findServer(spec))!, { mode: 'immediate', seconds: 60 });
  return { spec, base, archive };
}

/** The server of the copy, about to recover from a stage; `serve` serves it, for as long as wanted. */
async function recoveringServer({ spec, base, archive }: Awaited<ReturnType<typeof archivedServer>>) {
  const stage = join(base, '..', 'stage');
  const { walSpool: _, ...plain } = spec;
  const settings = { ...spec.settings, restore_command: restoreCommand(base, stage) };
  const copy: ServerSpec = { ...plain, dataDirectory: base, settings };
  if (spec.os) await ownAll(base, spec.os);
  await writeConfiguration(copy);
  await writeFile(join(base, 'recovery.signal'), '');
  const [first] = await archive.segments();
  const serve = () => {
    const over = new AbortController();
    const served = stageWal(archive, first!.name, stage, spec.os ?? undefined, over.signal);
    return async () => {
      over.abort();
      await served;
    };
  };
  return { copy, stage, serve };
}

async function ownAll(directory: string, { uid, gid }: { uid: number; gid: number }): Promise<void> {
  await chown(directory, uid, gid);
  for (const entry of await readdir(directory, { recursive: true })) await chown(join(directory, entry), uid, gid);
}

const recovered = (copy: ServerSpec) =>
  eventually('the end of the recovery', async () => {
    const [row] = await query<{ busy: boolean }>(copy, 'select pg_is_in_recovery() as busy');
    return !row!.busy;
  });

describe.each(majors)('PostgreSQL %s', (major) => {
  test(
    'a copy and the archive give back every row, with a few segments on the disk at a time',
    async () => {
      const source = await archivedServer(major);
      expect(await source.archive.gaps((await source.archive.segments())[0]!.name)).toEqual([]);
      const { copy, stage, serve } = await recoveringServer(source);
      const end = serve();
      let most = 0;
      let watching = true;
      const watch = (async () => {
        for (; watching; await sleep(5))
          most = Math.max(most, (await readdir(stage).catch(() => [])).filter(isSegment).length);
      })();
      const identity = await startServer(copy);
      cleanups.push(() => stopServer(identity, { mode: 'immediate', seconds: 60 }));
      await recovered(copy);
      watching = false;
      await watch;
      await end();
      const rows = await query(copy, 'select count(*)::int as rows, sum(n)::int as sum from public.numbers');
      const last = 1000 + SEGMENTS * 100;
      expect(rows).toEqual([{ rows: last, sum: (last * (last + 1)) / 2 }]);
      expect(most).toBeGreaterThan(0);
      expect(most).toBeLessThan(SEGMENTS - 2);
    },
    GENEROUS,
  );

  test.skipIf(!isFull)(
    'a recovery goes on after kills of the server and of what serves it',
    async () => {
      const source = await archivedServer(major);
      const { copy, serve } = await recoveringServer(source);
      for (let round = 0; round < 4; round++) {
        const end = serve();
        const starting = startServer(copy, { seconds: 1 }).catch(() => null);
        await sleep(round * 150);
        await end();
        await starting;
        const identity = await findServer(copy);
        if (identity) await stopServer(identity, { mode: 'immediate', seconds: 1 });
      }
      const end = serve();
      const identity = await startServer(copy);
      cleanups.push(() => stopServer(identity, { mode: 'immediate', seconds: 60 }));
      await recovered(copy);
      await end();
      const rows = await query(copy, 'select count(*)::int as rows from public.numbers');
      expect(rows).toEqual([{ rows: 1000 + SEGMENTS * 100 }]);
    },
    GENEROUS,
  );
});
