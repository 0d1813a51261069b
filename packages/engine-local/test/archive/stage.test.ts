import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Secret } from '@borealis/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seal } from '../../src/archive/sealed-file.js';
import { restoreCommand, stageWal } from '../../src/archive/stage.js';
import { WalArchive } from '../../src/archive/wal-archive.js';
import { segmentName } from '../../src/archive/wal-names.js';
import { eventually, temporaryDirectory } from '../support/home.js';

const key = new Secret(randomBytes(32));
const run = promisify(execFile);

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let place: { directory: string; spool: string; uid: number; key: typeof key };
let data: string;
let stage: string;
let over: AbortController;
let serving: Promise<void>;

const segment = (number: number) => segmentName({ timeline: 1, number });
const contentOf = (name: string) => `the content of ${name}`;

beforeEach(async () => {
  directory = await temporaryDirectory();
  const at = (name: string) => join(directory.path, name);
  place = { directory: at('archive'), spool: at('spool'), uid: process.getuid!(), key };
  [data, stage] = [at('data'), at(`it's a stage`)];
  for (const path of [place.directory, place.spool, data]) await mkdir(path);
  for (let number = 1; number <= 20; number++) await put(segment(number));
});

afterEach(async () => {
  over?.abort();
  await serving?.catch(() => undefined);
  await directory.remove();
});

async function put(name: string): Promise<void> {
  const content = async function* () {
    yield Buffer.from(contentOf(name));
  };
  await seal(content(), join(place.directory, `${name}.sealed`), { key, name });
}

function serve(from = segment(1)): Promise<void> {
  over = new AbortController();
  serving = stageWal(new WalArchive(place), from, stage, undefined, over.signal);
  return serving;
}

/** Runs the command as PostgreSQL does; gives what it restored, or null when it says that there is nothing. */
async function restore(name: string): Promise<string | null> {
  const command = restoreCommand(data, stage).replaceAll('%f', name).replaceAll('%p', 'restored').replaceAll('%%', '%');
  await rm(join(data, 'restored'), { force: true });
  try {
    await run('/bin/sh', ['-c', command], { cwd: data });
  } catch (error) {
    expect((error as { code: number }).code).toBe(1);
    return null;
  }
  return readFile(join(data, 'restored'), 'utf8');
}

test('a replay from the first segment to the last gets each, and never has many beside each other', async () => {
  void serve();
  for (let number = 1; number <= 20; number++) {
    expect(await restore(segment(number))).toBe(contentOf(segment(number)));
    expect((await readdir(stage)).filter((file) => /^[0-9A-F]{24}$/.test(file)).length).toBeLessThan(12);
  }
  expect(await restore(segment(21))).toBeNull();
});

test('any file can be asked for at any time and again: a checkpoint far ahead, then back', async () => {
  void serve();
  for (const number of [15, 2, 3, 3, 15, 1, 20])
    expect(await restore(segment(number))).toBe(contentOf(segment(number)));
});

test('histories are served, and what is not in the archive is said to be missing', async () => {
  await put('00000002.history');
  void serve();
  expect(await restore('00000002.history')).toBe(contentOf('00000002.history'));
  expect(await restore('00000003.history')).toBeNull();
  expect(await restore('00000003.history')).toBeNull();
  expect(await restore('RECOVERYXLOG')).toBeNull();
  expect(await restore('00000002.history')).toBe(contentOf('00000002.history'));
});

test('who asks while nobody serves waits, and what an earlier server denied counts no more', async () => {
  void serve();
  await eventually('the directory', () =>
    readdir(stage).then(
      () => true,
      () => false,
    ),
  );
  over.abort();
  await serving;
  await writeFile(join(stage, `${segment(20)}.none`), '');
  await writeFile(join(stage, `${segment(2)}.0011.staging`), 'half');
  const waiting = restore(segment(2));
  await eventually('the question', async () => (await readdir(stage)).includes(`${segment(2)}.wanted`));
  void serve();
  expect(await waiting).toBe(contentOf(segment(2)));
  expect(await restore(segment(20))).toBe(contentOf(segment(20)));
  expect(await readdir(stage)).not.toContain(`${segment(2)}.0011.staging`);
});

test('a segment that is not what was archived is never given out, nor said to be missing', async () => {
  const path = join(place.directory, `${segment(3)}.sealed`);
  const changed = await readFile(path);
  changed[changed.length - 20]! ^= 1;
  await writeFile(path, changed);
  const failed = serve(segment(3));
  await expect(failed).rejects.toThrow(`"${path}" is damaged`);
  expect(await readdir(stage)).toEqual([]);
});
