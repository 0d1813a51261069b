import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connect,
  copyServer,
  finishLog,
  offeredMajors,
  placeDataDirectory,
  restoreBase,
  startServer,
  writeConfiguration,
} from '../src/index.js';
import { removeServer, type TemporaryServer, temporaryServer, temporarySpec } from '../src/testing.js';

const MAJORS = process.env.BOREALIS_TEST === 'full' ? offeredMajors() : ['16'];
const COMMITS = `
  select n, to_char(pg_xact_commit_timestamp(xmin) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
  from public.moments order by n`;

/** A microsecond earlier. */
const before = (at: string) => {
  const micros = BigInt(Date.parse(`${at.slice(0, 19)}Z`)) * 1000n + BigInt(at.slice(20, 26)) - 1n;
  return `${new Date(Number(micros / 1000n)).toISOString().slice(0, 23)}${String(micros % 1000n).padStart(3, '0')}Z`;
};

describe.each(MAJORS)('a base of PostgreSQL %s', (major) => {
  let source: TemporaryServer;
  let base: string;
  let commits: { n: number; at: string }[];

  /** The numbers that are there in a server that was brought to that moment, and which timeline it writes. */
  async function restoredTo(moment: string): Promise<number[]> {
    const made = await temporarySpec(major, { access: { method: 'scram' } });
    const restoreCommand = `cp "${source.spec.dataDirectory}/pg_wal/%f" "%p"`;
    const spec = { ...made, closedFor: userInfo().username, recovery: { restoreCommand, until: moment } };
    const how = { from: process.getuid!(), to: spec.os, signal: new AbortController().signal };
    try {
      await placeDataDirectory(spec, async (data) => void (await restoreBase(base, data, how)));
      await writeConfiguration(spec);
      await startServer(spec);
      const client = await connect(spec);
      const { rows } = await client.query<{ n: number; writes: boolean }>(
        'select n, not pg_is_in_recovery() as writes from public.moments order by n',
      );
      await client.end();
      expect(rows.every(({ writes }) => writes)).toBe(true);
      return rows.map(({ n }) => n);
    } finally {
      await removeServer(spec);
    }
  }

  beforeAll(async () => {
    source = await temporaryServer(major, { settings: { wal_keep_size: '1GB', track_commit_timestamp: 'on' } });
    const client = await connect(source.spec);
    await client.query('create table public.moments (n serial primary key)');
    await client.query('insert into public.moments default values');
    base = `${source.spec.dataDirectory}.base`;
    await copyServer(source.spec, base, { to: null, signal: new AbortController().signal });
    for (let count = 0; count < 5; count++) {
      await client.query('insert into public.moments default values');
      await sleep(50);
    }
    commits = (await client.query<{ n: number; at: string }>(COMMITS)).rows;
    expect(await finishLog(client)).toMatch(/^[0-9A-F]{24}$/);
    await client.end();
  });

  afterAll(() => source.remove());

  it('has exactly the commits up to a moment, to the microsecond, in any zone', async () => {
    const { at } = commits[3]!;
    expect(await restoredTo(at)).toEqual([1, 2, 3, 4]);
    expect(await restoredTo(before(at))).toEqual([1, 2, 3]);
    const local = new Date(Date.parse(at) + 2 * 3_600_000).toISOString();
    expect(await restoredTo(`${local.slice(0, 19)}${at.slice(19, 26)}+02:00`)).toEqual([1, 2, 3, 4]);
  });

  it('has all of them at a moment after the last, though nothing was written since', async () => {
    const end = new Date(Date.parse(commits[5]!.at) + 25).toISOString();
    expect(await restoredTo(end)).toEqual(commits.map(({ n }) => n));
  });
});
