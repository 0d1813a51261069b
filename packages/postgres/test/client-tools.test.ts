import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mirrorsIn } from '../src/client-tools/apt.js';
import { fetchTools } from '../src/client-tools/fetch.js';
import { installedTools } from '../src/client-tools/installed.js';
import { type ClientTools, nearest } from '../src/client-tools/tools.js';
import { run } from '../src/run.js';
import { serverUser } from '../src/testing.js';

const onDebian = /^ID="?debian"?$/m.test(readIfThere('/etc/os-release'));
const path = process.env.PATH;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bct-'));
  await chmod(directory, 0o755);
});
afterEach(async () => {
  process.env.PATH = path;
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
});

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

async function program(name: string, script: string): Promise<void> {
  await mkdir(join(directory, name, '..'), { recursive: true });
  await writeFile(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

describe('client programs on a system', () => {
  const installed = async (...names: string[]) =>
    (await installedTools(names.map((name) => join(directory, name)))).map(({ version }) => version);

  it('count where all of them are, of one version', async () => {
    for (const name of ['pg_dump', 'pg_restore', 'psql']) {
      await program(`all/${name}`, `echo "${name} (PostgreSQL) 16.3 (Debian 16.3-1)"`);
      await program(`beta/${name}`, `echo "${name} (PostgreSQL) 18beta1"`);
      await program(`mixed/${name}`, `echo "${name} (PostgreSQL) ${name === 'psql' ? '16.3' : '15.7'}"`);
      await program(`broken/${name}`, 'exit 127');
      if (name !== 'psql') await program(`some/${name}`, `echo "${name} (PostgreSQL) 17.1"`);
    }
    expect(await installed('all', 'beta', 'mixed', 'broken', 'some', 'missing')).toEqual(['16.3', '18']);
  });

  it('do not count where they choose a version by themselves', async () => {
    await program('pg_wrapper', 'echo "$0 (PostgreSQL) 16.3"');
    await mkdir(join(directory, 'bin'));
    for (const name of ['pg_dump', 'pg_restore', 'psql']) await symlink('../pg_wrapper', join(directory, 'bin', name));
    expect(await installed('bin')).toEqual([]);
  });

  it('are taken from the oldest major that is new enough, in its newest version', () => {
    const candidates = ['18.1', '15.9', '17.2', '17.10', '13'].map((version) => ({ version }) as ClientTools);
    const chosen = (major: string) => nearest(major, candidates)?.version;
    expect(['13', '14', '15', '16', '17', '18', '19'].map(chosen)).toEqual([
      '13',
      '15.9',
      '15.9',
      '17.10',
      '17.10',
      '18.1',
      undefined,
    ]);
  });
});

describe('apt’s sources', () => {
  it('name the mirrors, but not where updates come from', () => {
    const printed = [
      `'http://one.test/debian/dists/bookworm/InRelease' one.test_dists_bookworm_InRelease 0 `,
      `'http://one.test/debian/dists/bookworm-updates/InRelease' x 0 `,
      `'http://security.test/dists/bookworm-security/InRelease' x 0 `,
      `'https://two.test:81/a/b/dists/stable/InRelease' x 0 `,
      `'http://one.test/debian/dists/sid/InRelease' x 0 `,
      `'http://one.test/debian/dists/bookworm/main/binary-amd64/Packages.xz' x 0 `,
    ];
    expect(mirrorsIn(printed.join('\n'))).toEqual(['http://one.test/debian', 'https://two.test:81/a/b']);
    expect(() => mirrorsIn('')).toThrow(/its sources name no mirror of Debian\.$/);
  });
});

describe.skipIf(!onDebian)('client programs from a newer Debian (needs a Debian)', () => {
  const request = () => ({ major: '16', cacheDir: join(directory, 'cache') });
  const left = async () => (await readdir(join(directory, 'cache'))).filter((name) => name !== '.client-tools.lock');

  /** Puts a program before the real apt-get that answers which mirror there is, and then does as the script says. */
  async function replaceApt(mirror: string, script: string): Promise<void> {
    const answer = `case "$*" in *--print-uris*) echo "'${mirror}/dists/bookworm/InRelease' x 0"; exit;; esac`;
    await program('bin/apt-get', `${answer}\n${script}`);
    process.env.PATH = `${join(directory, 'bin')}:${path}`;
  }

  it.each([
    [
      'Could not resolve host',
      /: the mirror that apt uses does not answer; install postgresql-client-17, or try again\.$/,
    ],
    ['GPG error: NO_PUBKEY 0E98404D386FA1D9', /: its signature is not one that this machine trusts;/],
    ['Hash Sum mismatch', /: what came is not what its signature covers;/],
    ['write: No space left on device', /: the disk is full;/],
    ['segmentation fault', /: "apt-get" failed;/],
  ])('are refused in one sentence when apt says "%s"', async (complaint, sentence) => {
    await replaceApt('http://mirror.test', `echo 'E: ${complaint}' >&2; exit 100`);
    await expect(fetchTools(request())).rejects.toThrow(sentence);
    expect(await left()).toEqual([]);
  });

  it('are refused from a mirror that Debian did not sign', async () => {
    const release = join(directory, 'mirror/dists/trixie');
    await mkdir(join(release, 'main/binary-amd64'), { recursive: true });
    await writeFile(
      join(release, 'Release'),
      'Suite: stable\nCodename: trixie\nComponents: main\nArchitectures: amd64 arm64\n',
    );
    await writeFile(join(release, 'main/binary-amd64/Packages'), '');
    await replaceApt(`file://${directory}/mirror`, `PATH='${path}' exec apt-get "$@"`);
    await expect(fetchTools(request())).rejects.toThrow(/its signature is not one that this machine trusts/);
    expect(await left()).toEqual([]);
  });

  it('are not looked for beyond what Debian has', async () => {
    const wanted = { ...request(), major: '99' };
    await expect(fetchTools(wanted)).rejects.toThrow(
      /^pg_dump, pg_restore and psql of PostgreSQL 99 or newer are needed/,
    );
  });

  /** A process of its own that fetches; prints what it is at. */
  function fetcher(): { child: ChildProcess; said: string[] } {
    const module = new URL('../dist/client-tools/fetch.js', import.meta.url).href;
    const wanted = JSON.stringify(request());
    const source = `
      import { fetchTools } from ${JSON.stringify(module)};
      try { await fetchTools({ ...${wanted}, onProgress: console.log }); } catch (error) { console.log(error.message); process.exit(1); }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said: string[] = [];
    createInterface(child.stdout!).on('line', (line) => said.push(line));
    return { child, said };
  }

  it.skipIf(process.env.BOREALIS_TEST !== 'full')(
    'are fetched by one of many processes, one killed before it, for every OS user',
    async (context) => {
      const killed = fetcher();
      await once(killed.child.stdout!, 'data');
      killed.child.kill('SIGKILL');
      const all = [fetcher(), fetcher(), fetcher()];
      const codes = await Promise.all(all.map(async ({ child }) => (await once(child, 'close'))[0]));
      const said = all.flatMap((one) => one.said);
      if (said.some((line) => /does not answer/.test(line))) return context.skip('the mirror does not answer');
      expect(said).toEqual(['Fetching PostgreSQL 17’s client programs from Debian trixie (20 MB)']);
      expect(codes).toEqual([0, 0, 0]);
      expect((await left()).filter((name) => !name.startsWith('.making-'))).toEqual(['client-tools-17']);

      const tools = await fetchTools(request());
      expect(tools.version).toMatch(/^17\.\d+$/);
      const user = await serverUser();
      for (const name of ['pg_dump', 'pg_restore', 'psql'] as const) {
        const [loader, ...args] = tools.command(name);
        const { stdout } = await run(loader, [...args, '--version'], {
          ...(user ? { uid: user.uid, gid: user.gid } : {}),
        });
        expect(stdout).toContain(`${name} (PostgreSQL) ${tools.version}`);
      }
    },
    300_000,
  );
});
