import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Secret } from '@borealis/contract';
import { temporaryServer } from '@borealis/postgres/testing';
import { WalArchive } from '../../packages/engine-local/dist/archive/wal-archive.js';
import { MAJOR } from '../peer/postgres.mjs';
import { run } from '../run.mjs';
import { interleave, median } from '../statistics.mjs';

const CLIENTS = 4;
/** Of which sealing and opening are measured. */
const SEGMENTS = 4;
const SEGMENT_MB = 16.777216;

/** What archiving costs a database that is written to, and how fast WAL is sealed and opened. */
export async function archive({ sizes, say, cleanup }) {
  const sides = [await startSide('plain', false, sizes, cleanup), await startSide('archived', true, sizes, cleanup)];
  const { walArchive } = sides[1];
  const rates = await interleave(sizes.rounds, sides, (side) => measureSide(side, sizes.seconds));
  say(`  TPC-B: ${JSON.stringify(rates)} transactions/s`);
  const ratios = rates.archived.map((rate, round) => rate / rates.plain[round]);
  await fillSpool(sides[1], sizes.seconds);
  const speeds = await sealingSpeeds(walArchive);
  say(`  ${speeds.segments} segments: sealed ${speeds.seal.toFixed(0)} MB/s, opened ${speeds.open.toFixed(0)} MB/s`);
  const range = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
  const name = `TPC-B transactions with ${CLIENTS} clients while the WAL is archived and sealed, of those without an archive`;
  const row = (what, value) => ({
    name: `${what} (MB of WAL)`,
    value,
    unit: 'MB/s',
    detail: `${speeds.segments} segments, one after the other`,
  });
  return {
    alone: [
      { name, value: median(ratios), unit: '', detail: `n=${ratios.length}, ${range}` },
      row('taking WAL into the archive, compressed, encrypted and durable', speeds.seal),
      row('reading it back, authenticated', speeds.open),
    ],
  };
}

async function startSide(name, archiving, { scale }, cleanup) {
  const server = await temporaryServer(MAJOR, { archiving, settings: { fsync: 'on' } });
  cleanup.add(`The ${name} server`, () => server.remove());
  const { socketDirectory, port, superuser, walSpool, os, dataDirectory } = server.spec;
  const env = { ...process.env, PGHOST: socketDirectory, PGPORT: String(port), PGDATABASE: 'postgres' };
  Object.assign(env, { PGUSER: superuser.name, PGPASSWORD: superuser.password });
  await run('pgbench', ['-i', '-q', '-s', String(scale)], { env });
  if (!archiving) return { name, env };
  const directory = join(dirname(dataDirectory), 'archive');
  await mkdir(directory, { mode: 0o700 });
  const uid = os?.uid ?? process.getuid();
  const walArchive = new WalArchive({ directory, spool: walSpool, uid, key: new Secret(randomBytes(32)) });
  return { name, env, walArchive };
}

/** Transactions a second; what is archived meanwhile is sealed meanwhile. */
async function measureSide({ env, walArchive }, seconds) {
  let measuring = true;
  const collecting = walArchive && collect(walArchive, () => measuring);
  const rate = await pgbench(env, seconds);
  measuring = false;
  await collecting;
  return rate;
}

async function collect(walArchive, measuring) {
  while (measuring()) {
    for (const name of await walArchive.spooled()) await walArchive.take(name);
    await sleep(100);
  }
}

async function pgbench(env, seconds) {
  const output = await run('pgbench', ['-n', '-c', String(CLIENTS), '-j', '2', '-T', String(seconds)], { env });
  const rate = /^tps = ([\d.]+)/m.exec(output)?.[1];
  if (rate === undefined) throw new Error('pgbench reported no rate.');
  return Math.round(Number(rate));
}

/** What pgbench writes, until there is enough of it to measure with. */
async function fillSpool({ env, walArchive }, seconds) {
  for (let turn = 0; (await walArchive.spooled()).length < SEGMENTS; turn++) {
    if (turn === 30) throw new Error(`The load did not finish ${SEGMENTS} segments of WAL.`);
    await pgbench(env, seconds);
  }
}

async function sealingSpeeds(walArchive) {
  const names = await walArchive.spooled();
  const rate = async (work) => {
    const start = performance.now();
    for (const name of names) await work(name);
    return (names.length * SEGMENT_MB) / ((performance.now() - start) / 1000);
  };
  const seal = await rate((name) => walArchive.take(name));
  const open = await rate(async (name) => {
    for await (const _ of walArchive.read(name));
  });
  return { segments: names.length, seal, open };
}
