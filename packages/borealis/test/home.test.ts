import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeDurably } from '../src/durable-file.js';
import { readEnvironment, writeEnvironment } from '../src/env-file.js';
import { ensureHome, lockHome } from '../src/home.js';
import { choosePorts } from '../src/ports.js';
import { ensureCredentials, ensureMasterKey } from '../src/secrets.js';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'home-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

test('a home is one process’s at a time', async () => {
  const release = await lockHome(home);
  await expect(lockHome(home)).rejects.toThrow('already running');
  await release();
  await (await lockHome(home))();
});

test('of many that start where a crash left a lock, one gets the home', async () => {
  for (let round = 0; round < 20; round++) {
    writeFileSync(join(home, 'up.lock'), JSON.stringify({ pid: process.pid, startTime: String(round), bootId: 'x' }));
    const starts = await Promise.allSettled(Array.from({ length: 8 }, () => lockHome(home)));
    const winners = starts.filter((start) => start.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    await winners[0]!.value();
  }
});

test('a directory with other files is refused and keeps its mode', async () => {
  chmodSync(home, 0o755);
  writeFileSync(join(home, 'thesis.txt'), '');
  await expect(ensureHome(home, () => {})).rejects.toThrow('holds other files');
  expect(statSync(home).mode & 0o777).toBe(0o755);
});

test.skipIf(process.getuid?.() !== 0)('a directory of another user is refused (as root)', async () => {
  chmodSync(home, 0o755);
  const theirs = join(home, 'theirs');
  mkdirSync(theirs);
  chownSync(theirs, 65_534, 65_534);
  await expect(ensureHome(theirs, () => {})).rejects.toThrow('belongs to another user');
});

test('a strict umask does not close what others have to pass or read', async () => {
  chmodSync(home, 0o755);
  const before = process.umask(0o077);
  try {
    await ensureHome(join(home, 'a/b'), () => {});
    await writeDurably(join(home, 'ca.pem'), 'x', 0o644);
  } finally {
    process.umask(before);
  }
  expect(statSync(join(home, 'a')).mode & 0o777).toBe(0o755);
  expect(statSync(join(home, 'ca.pem')).mode & 0o777).toBe(0o644);
});

test('the lock of a process that is gone is taken over', async () => {
  const dead = spawnSync(process.execPath, ['-e', 'console.log(process.pid)'], { encoding: 'utf8' }).stdout.trim();
  writeFileSync(join(home, 'up.lock'), JSON.stringify({ pid: Number(dead), startTime: '1' }));
  await (await lockHome(home))();
});

test('a lock whose number belongs to another process now is taken over', async () => {
  writeFileSync(join(home, 'up.lock'), JSON.stringify({ pid: process.pid, startTime: '1' }));
  await (await lockHome(home))();
});

test('credentials and the master key are made once, for their owner only', async () => {
  const first = await ensureCredentials(home);
  expect(await ensureCredentials(home)).toEqual(first);
  const key = await ensureMasterKey(home, null);
  expect((await ensureMasterKey(home, null)).reveal()).toEqual(key.reveal());
  expect(key.reveal()).toHaveLength(32);
  for (const file of ['credentials.json', 'master.key']) expect(statSync(join(home, file)).mode & 0o777).toBe(0o600);
});

test('a configured master key is never written down', async () => {
  const key = Buffer.alloc(32, 7);
  expect((await ensureMasterKey(home, key.toString('base64'))).reveal()).toEqual(key);
  expect(existsSync(join(home, 'master.key'))).toBe(false);
});

test('a damaged master key is a sentence, not a new key', async () => {
  writeFileSync(join(home, 'master.key'), 'oops');
  await expect(ensureMasterKey(home, null)).rejects.toThrow('32 bytes in base64');
  expect(readFileSync(join(home, 'master.key'), 'utf8')).toBe('oops');
});

test('any free port means the same ones at the next start', async () => {
  const first = await choosePorts(home, { platform: 0, api: 0, mail: 0 });
  expect(first.platform).not.toBe(first.api);
  expect(await choosePorts(home, { platform: 0, api: 0, mail: 0 })).toEqual(first);
});

test('the environment file is read by a shell as it was meant', async () => {
  const environment = {
    HEROKU_HOST: 'http://127.0.0.1:1',
    HEROKU_API_KEY: `it's "quoted" $HOME`,
    HEROKU_PARTICLEBOARD_URL: 'x',
    HEROKU_BUILDPACK_REGISTRY_URL: 'x',
    BOREALIS_PG_API_BASE_URL: 'x',
    PLATFORM_URL: 'x',
    ADDON_API_URL: 'x',
    BOREALIS_CA_FILE: 'x',
    BOREALIS_HOME: home,
    OCLIF_DISABLE_LINKED_ESM_WARNING: '1',
  };
  const file = await writeEnvironment(home, environment);
  const shown = spawnSync('sh', ['-c', `. '${file}' && printf %s "$HEROKU_API_KEY"`], { encoding: 'utf8' });
  expect(shown.stdout).toBe(environment.HEROKU_API_KEY);
  expect(await readEnvironment(home)).toEqual(environment);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});
