import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Secret } from '@borealis/contract';
import { temporaryServer } from '@borealis/postgres/testing';
import { WalArchive } from '../../packages/engine-local/dist/archive/wal-archive.js';
import { MAJOR } from '../peer/postgres.mjs';
import { fill, notWaiting, pgbench } from '../pgbench.mjs';
import { serverEnvironment } from '../server.mjs';
import { describeRange, describeRates, interleave, median, ratiosOf } from '../statistics.mjs';

const CLIENTS = 4;
const SEGMENT_MB = 16.777216;
const LOADS = [
  { name: `TPC-B, ${CLIENTS} clients`, prepare: (env) => env },
  { name: `the same without waiting for the disk`, prepare: notWaiting },
];

/** What archiving costs a database that is written to, and how fast WAL is sealed and opened. */
export async function archive({ sizes, say, cleanup }) {
  const sides = [await startSide('plain', false, sizes, cleanup), await startSide('archived', true, sizes, cleanup)];
  const rows = [];
  for (const { name, prepare } of LOADS) {
    const rates = await interleave(sizes.rounds, sides, (side) => measureSide(side, prepare, sizes.seconds));
    say(`  ${name}: ${describeRates(rates)} transactions/s`);
    const ratios = ratiosOf(rates.archived, rates.plain);
    rows.push({
      name: `${name}: transactions while the WAL is archived and encrypted, of those without an archive`,
      value: median(ratios),
      unit: '',
      detail: describeRange(ratios),
    });
  }
  const [, { env, walArchive }] = sides;
  await fillSpool({ env, walArchive }, sizes);
  const speeds = await sealingSpeeds(walArchive);
  say(`  ${speeds.segments} segments: sealed ${speeds.seal.toFixed(0)} MB/s, opened ${speeds.open.toFixed(0)} MB/s`);
  const row = (name, value) => ({
    name: `${name} (MB of WAL)`,
    value,
    unit: 'MB/s',
    detail: `${speeds.segments} segments, one after the other`,
  });
  rows.push(row('taking WAL into the archive, compressed, encrypted and durable', speeds.seal));
  rows.push(row('reading it back, authenticated', speeds.open));
  return { alone: rows };
}

async function startSide(name, archiving, { scale }, cleanup) {
  const server = await temporaryServer(MAJOR, { archiving, settings: { fsync: 'on' } });
  cleanup.add(`The ${name} server`, () => server.remove());
  const env = serverEnvironment(server.spec);
  await fill(env, scale);
  if (!archiving) return { name, env };
  const { walSpool, os, dataDirectory } = server.spec;
  const directory = join(dirname(dataDirectory), 'archive');
  await mkdir(directory, { mode: 0o700 });
  const uid = os?.uid ?? process.getuid();
  const walArchive = new WalArchive({ directory, spool: walSpool, uid, key: new Secret(randomBytes(32)) });
  // What filling the tables wrote is no part of the load.
  await takeAll(walArchive);
  return { name, env, walArchive };
}

/** Transactions a second; what is archived meanwhile is sealed meanwhile. */
async function measureSide({ env, walArchive }, prepare, seconds) {
  let measuring = true;
  const collecting = walArchive && collect(walArchive, () => measuring);
  try {
    return await pgbench(prepare(env), ['-c', String(CLIENTS), '-j', '2', '-T', String(seconds)]);
  } finally {
    measuring = false;
    await collecting;
  }
}

async function collect(walArchive, measuring) {
  while (measuring()) {
    await takeAll(walArchive);
    await sleep(100);
  }
}

async function takeAll(walArchive) {
  for (const name of await walArchive.spooled()) await walArchive.take(name);
}

/** What pgbench writes, until there is enough of it to measure with. */
async function fillSpool({ env, walArchive }, { segments, seconds }) {
  for (let turn = 0; (await walArchive.spooled()).length < segments; turn++) {
    if (turn === 60) throw new Error(`The load did not finish ${segments} segments of WAL.`);
    await pgbench(notWaiting(env), ['-c', String(CLIENTS), '-j', '2', '-T', String(seconds)]);
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
