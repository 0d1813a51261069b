import { readdir, readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockHome } from '../src/home/lock.js';
import { identify } from '../src/system/process-identity.js';
import { temporaryDirectory } from './support/home.js';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let path: string;

beforeEach(async () => {
  directory = await temporaryDirectory();
  path = `${directory.path}/keeper.lock`;
});

afterEach(() => directory.remove());

test('a held lock is refused and names its holder', async () => {
  const lock = await lockHome(path);
  await expect(lockHome(path)).rejects.toThrow(`Another keeper (process ${process.pid}) already runs on this home`);
  await lock.release();
  await (await lockHome(path)).release();
});

test('the lock of a dead process is taken over, also when its pid lives again', async () => {
  const me = (await identify(process.pid))!;
  await writeFile(path, JSON.stringify({ ...me, startTime: '1' }));
  const lock = await lockHome(path);
  expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(me);
  await lock.release();
});

test('a lock that a crash left unreadable is taken over', async () => {
  await writeFile(path, '{"pid":');
  await (await lockHome(path)).release();
});

test('of many that want a stale lock exactly one gets it', async () => {
  for (let round = 0; round < 20; round++) {
    await writeFile(path, JSON.stringify({ pid: process.pid, startTime: String(round), bootId: 'x' }));
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockHome(path)));
    const winners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(winners).toHaveLength(1);
    await winners[0]!.release();
  }
  expect(await readdir(directory.path)).toEqual([]);
});
