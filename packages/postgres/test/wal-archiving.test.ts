import { execFileSync } from 'node:child_process';
import { readdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, isArchiving, pathInCommand, startServer, stopServer } from '../src/index.js';
import { writeConfiguration } from '../src/server/configuration.js';
import { uidOf } from '../src/server/spec.js';
import { type TemporaryServer, temporaryServer } from '../src/testing.js';
import { eventually, majors } from './support.js';

test('a path in a command stands for itself, whatever is in it', () => {
  const odd = `/data/it's 100% "$HOME" here`;
  const quoted = pathInCommand('/data/base', odd).replaceAll('%%', '%');
  expect(execFileSync('/bin/sh', ['-c', `printf %s ${quoted}`], { encoding: 'utf8' })).toBe(`..${odd.slice(5)}`);
});

describe.each(majors)('PostgreSQL %s with a spool', (major) => {
  let server: TemporaryServer;
  let spool: string;

  beforeAll(async () => {
    server = await temporaryServer(major, { archiving: true });
    spool = server.spec.walSpool!;
  }, 120_000);

  afterAll(() => server.remove());

  async function query<T>(sql: string): Promise<T[]> {
    const client = await connect(server.spec);
    try {
      return (await client.query(sql)).rows as T[];
    } finally {
      await client.end();
    }
  }

  /** Ends the segment that is written now and gives its name. */
  async function switchSegment(): Promise<string> {
    await query('select txid_current()');
    const [row] = await query<{ name: string }>('select pg_walfile_name(pg_switch_wal()) as name');
    return row!.name;
  }

  const archived = async () =>
    (
      await query<{ ok: string; failed: string }>(
        'select archived_count as ok, failed_count as failed from pg_stat_archiver',
      )
    )[0]!;

  /** Makes PostgreSQL archive a file once more, as after a crash right after the first time. */
  const again = (name: string) => {
    const status = join(server.spec.dataDirectory, 'pg_wal', 'archive_status');
    return rename(join(status, `${name}.done`), join(status, `${name}.ready`));
  };

  test('a finished segment is there as a whole, for its user alone, and nothing else', async () => {
    const name = await switchSegment();
    await eventually(async () => (await readdir(spool)).includes(name));
    const found = await stat(join(spool, name));
    expect([found.size, found.mode & 0o777, found.uid]).toEqual([16 * 1024 * 1024, 0o600, uidOf(server.spec)]);
    expect(await readdir(spool)).toEqual([name]);
  });

  test('the same segment may come again, another in its place may not', async () => {
    const before = await archived();
    const name = await switchSegment();
    await eventually(() =>
      again(name).then(
        () => true,
        () => false,
      ),
    );
    await switchSegment();
    await eventually(async () => Number((await archived()).ok) >= Number(before.ok) + 3);
    expect((await archived()).failed).toBe('0');
    await writeFile(join(spool, name), 'something else');
    await again(name);
    await switchSegment();
    await eventually(async () => Number((await archived()).failed) > 0);
    expect((await stat(join(spool, name))).size).toBe(14);
    await rename(join(spool, name), join(server.spec.dataDirectory, '..', name));
    await switchSegment(); // after three failures it waits for the next segment, or for a minute
    await eventually(async () => (await readdir(spool)).includes(name));
  });

  test('while the spool is gone nothing is lost, and it goes on by itself', async () => {
    await rename(spool, `${spool}-gone`);
    const name = await switchSegment();
    const { failed } = await archived();
    await eventually(async () => Number((await archived()).failed) > Number(failed));
    await rename(`${spool}-gone`, spool);
    await switchSegment();
    await eventually(async () => (await readdir(spool)).includes(name));
  });

  test('archiving begins with the next start, and it is known until then that it has not', async () => {
    const { walSpool, ...without } = server.spec;
    const asked = async () => {
      const client = await connect(server.spec);
      return isArchiving(client, server.spec).finally(() => client.end());
    };
    const restart = async () => {
      await stopServer(server.identity, { mode: 'fast', seconds: 60 });
      server.identity = await startServer(server.spec);
    };
    expect(await asked()).toBe(true);
    await writeConfiguration(without);
    await restart();
    await writeConfiguration({ ...without, walSpool: walSpool! });
    expect(await asked()).toBe(false);
    await restart();
    expect(await asked()).toBe(true);
  });
});
