import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  connect,
  offeredMajors,
  pathInCommand,
  restoreBase,
  type ServerSpec,
  startServer,
  writeConfiguration,
} from '@borealis/postgres';
import { removeServer, type TemporaryServer, temporaryServer, temporarySpec } from '@borealis/postgres/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listBases, makeBase } from '../src/copies/bases.js';
import { eventually, GENEROUS } from './support/home.js';

const isFull = process.env.BOREALIS_TEST === 'full';
/** The oldest, the default and the newest of those that are offered. */
const majors = offeredMajors().filter((major, at, all) => major === '16' || at === 0 || at === all.length - 1);

/**
 * Writes log until the server has given up what it kept for a copy, and has removed the segment that was being written before. In a process
 * of its own, since the copy stands still meanwhile.
 */
const OUTRUN = `
  import pg from 'pg';
  const client = new pg.Client(JSON.parse(process.argv[1]));
  await client.connect();
  const one = async (sql, values) => (await client.query(sql, values)).rows[0];
  const { first } = await one('select pg_walfile_name(pg_current_wal_lsn()) as first');
  const isThere = 'select exists (select from pg_replication_slots) or exists (select from pg_ls_waldir() where name = $1) as there';
  for (const end = Date.now() + 120000; Date.now() < end && (await one(isThere, [first])).there; )
    for (const sql of ['select txid_current()', 'select pg_switch_wal()', 'checkpoint']) await client.query(sql);
  await client.end();`;

describe.skipIf(!isFull).each(majors)(
  'a base that outlasts what PostgreSQL %s keeps of its log (in the full suite)',
  (major) => {
    let server: TemporaryServer;
    let directory: string;
    let copy: ServerSpec;

    beforeAll(async () => {
      const settings = { max_slot_wal_keep_size: '1MB', min_wal_size: '32MB', max_wal_size: '32MB' };
      server = await temporaryServer(major, { archiving: true, settings });
      copy = await temporarySpec(major);
      directory = await mkdtemp(join(tmpdir(), 'bls-'));
      await run('create table public.kept as select generate_series(1, 1000) as n');
    }, GENEROUS);
    afterAll(async () => {
      for (const spec of [server.spec, copy]) await removeServer(spec);
      await rm(directory, { recursive: true, force: true });
    }, GENEROUS);

    async function run(sql: string, spec = server.spec): Promise<unknown[]> {
      const client = await connect(spec);
      return (await client.query<Record<string, unknown>>(sql).finally(() => client.end())).rows;
    }

    /** What a copy is told of: the first time it has copied a file, the server outruns it. */
    function outrun(): () => void {
      let isDone = false;
      return () => {
        if (isDone) return;
        isDone = true;
        const { socketDirectory: host, port, superuser } = server.spec;
        const to = { host, port, user: superuser.name, password: superuser.password, database: 'postgres' };
        const cwd = fileURLToPath(new URL('../../postgres', import.meta.url));
        const { status, stderr } = spawnSync(
          process.execPath,
          ['--input-type=module', '-e', OUTRUN, JSON.stringify(to)],
          { cwd, encoding: 'utf8' },
        );
        expect(stderr).toBe('');
        expect(status).toBe(0);
      };
    }

    const expectNothingLeft = async () => {
      expect(readdirSync(directory).filter((name) => name.startsWith('.'))).toEqual([]);
      expect(await run('select slot_name from pg_replication_slots')).toEqual([]);
    };
    const signal = new AbortController().signal;

    test(
      'is none without an archive, and leaves neither a part of it nor a slot',
      async () => {
        const making = makeBase(directory, server.spec, { signal, onProgress: outrun() });
        await expect(making).rejects.toThrow(/removed a part of its log/);
        await expectNothingLeft();
        expect(await listBases(directory)).toEqual([]);
      },
      GENEROUS,
    );

    test(
      'is made at once where the archive has what the server has removed, and is restored with that',
      async () => {
        const spool = server.spec.walSpool!;
        const asked: string[] = [];
        const isArchived = async (name: string) => {
          asked.push(name);
          return existsSync(join(spool, name));
        };
        const base = await makeBase(directory, server.spec, { signal, onProgress: outrun(), isArchived });
        await expectNothingLeft();
        expect(await listBases(directory)).toEqual([base]);
        expect(asked).toContain(base.firstSegment);
        expect(existsSync(join(base.data, 'pg_wal', base.firstSegment))).toBe(false);
        await run('insert into public.kept values (1001)');
        const [{ last }] = (await run('select pg_walfile_name(pg_switch_wal()) as last')) as [{ last: string }];
        await eventually('the end of the log', async () => existsSync(join(spool, last)));
        await restoreBase(base.data, copy.dataDirectory, { from: process.getuid!(), to: copy.os, signal });
        const command = `cp ${pathInCommand(copy.dataDirectory, spool)}/%f "%p"`;
        const restored = { ...copy, recovery: { restoreCommand: command, until: null } };
        await writeConfiguration(restored);
        await startServer(restored);
        const [{ n }] = (await run('select count(*)::int as n from public.kept', restored)) as [{ n: number }];
        expect(n).toBe(1001);
      },
      GENEROUS,
    );
  },
);
