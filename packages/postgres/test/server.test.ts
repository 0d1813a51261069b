import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connect,
  createDataDirectory,
  databaseSizes,
  findServer,
  isServerAlive,
  reload,
  startServer,
  stopServer,
  writeConfiguration,
} from '../src/index.js';
import { backendsOf, orphansOf } from '../src/server/cluster-processes.js';
import { asServerUser, type ServerSpec } from '../src/server/spec.js';
import { removeServer, temporarySpec } from '../src/testing.js';
import { asRoot, eventually, majors } from './support.js';

async function askNumber(spec: ServerSpec, sql: string): Promise<number> {
  const client = await connect(spec);
  try {
    return Number(Object.values((await client.query(sql)).rows[0])[0]);
  } finally {
    await client.end();
  }
}

/** Reloads, and puts the right files back whatever came of it. */
async function reloadAndRestore(spec: ServerSpec): Promise<void> {
  try {
    await reload(spec);
  } finally {
    await writeConfiguration(spec);
  }
}

/** Starts the server from a process that is killed as soon as it is started. */
async function startFromProcessThatDies(spec: ServerSpec): Promise<void> {
  const index = new URL('../dist/index.js', import.meta.url).href;
  const program = `
    import { startServer } from ${JSON.stringify(index)};
    const spec = JSON.parse(process.env.SPEC);
    spec.release.binary = (name) => spec.postgres.replace(/postgres$/, name);
    await startServer(spec);
    process.kill(process.pid, 'SIGKILL');`;
  const text = JSON.stringify({ ...spec, postgres: spec.release.binary('postgres') });
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, SPEC: text },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const signal = await new Promise((resolve) => child.once('exit', (_code, name) => resolve(name)));
  expect(signal).toBe('SIGKILL');
}

describe.each(majors)('a server of PostgreSQL %s', (major) => {
  let spec: ServerSpec;

  beforeAll(async () => {
    spec = await temporarySpec(major);
  });
  afterAll(() => removeServer(spec));

  it('gets a complete data directory, once, whatever an earlier maker left behind', async () => {
    await mkdir(`${spec.dataDirectory}.new-dead`);
    await writeFile(`${spec.dataDirectory}.new-dead/half`, 'half');
    await createDataDirectory(spec);
    const made = await stat(`${spec.dataDirectory}/PG_VERSION`);
    expect((await stat(spec.dataDirectory)).mode & 0o777).toBe(0o700);
    await createDataDirectory(spec);
    expect((await stat(`${spec.dataDirectory}/PG_VERSION`)).ino).toBe(made.ino);
    expect((await readdir(dirname(spec.dataDirectory))).filter((name) => name.startsWith('data.'))).toEqual([]);
    expect(await writeConfiguration(spec)).toBe(true);
    expect(await writeConfiguration(spec)).toBe(false);
  });

  it('outlives the process that started it and is adopted by the next', async () => {
    await startFromProcessThatDies(spec);
    const found = await findServer(spec);
    expect(found).not.toBeNull();
    expect(await startServer(spec)).toEqual(found);
    const client = await connect(spec);
    const settings = `select current_setting('server_version') as version, current_setting('data_checksums') as checksums,
      current_setting('server_encoding') as encoding, (select datcollate from pg_database where datname = 'template1') as locale`;
    expect((await client.query(settings)).rows[0]).toEqual({
      version: spec.release.version,
      checksums: 'on',
      encoding: 'UTF8',
      locale: process.platform === 'linux' ? 'C.UTF-8' : 'C',
    });
    await client.end();
  });

  it.skipIf(process.platform !== 'linux')('opens no TCP port, in none of its processes (Linux)', async () => {
    const server = (await findServer(spec))!;
    const pids = [server.pid, ...(await backendsOf(server.pid)).map(({ pid }) => pid)];
    const inodes = new Set((await Promise.all(pids.map(socketInodes))).flat());
    expect(inodes.size).toBeGreaterThan(0);
    for (const table of ['tcp', 'tcp6']) {
      const open = (await readFile(`/proc/net/${table}`, 'utf8'))
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(/\s+/)[9]);
      expect(open.filter((inode) => inode && inodes.has(inode))).toEqual([]);
    }
  });

  it('keeps TCP closed even when a superuser asks for it in ALTER SYSTEM', async () => {
    const client = await connect(spec);
    await client.query(`alter system set listen_addresses = '127.0.0.1'`);
    await client.end();
    await stopServer((await findServer(spec))!, { mode: 'fast', seconds: 30 });
    await startServer(spec);
    const again = await connect(spec);
    expect((await again.query('show listen_addresses')).rows[0].listen_addresses).toBe('');
    await again.end();
  });

  it('takes over a changed configuration, and refuses one with an error', async () => {
    expect(await writeConfiguration({ ...spec, settings: { ...spec.settings, work_mem: '7MB' } })).toBe(true);
    await reload(spec);
    expect(await askNumber(spec, `select setting::int / 1024 from pg_settings where name = 'work_mem'`)).toBe(7);
    // Only a restart could change it, also by its not being there any more.
    const { max_connections: _, ...rest } = spec.settings;
    await writeConfiguration({ ...spec, settings: { ...rest, work_mem: '8MB' } });
    await reload(spec);
    expect(await askNumber(spec, `select setting::int / 1024 from pg_settings where name = 'work_mem'`)).toBe(8);
    await writeConfiguration({ ...spec, settings: { ...spec.settings, work_mem: 'much' } });
    await expect(reloadAndRestore(spec)).rejects.toThrow(/error in the setting work_mem/);
    await writeFile(`${spec.dataDirectory}/pg_hba.conf`, 'local all all nonsense\n');
    await expect(reloadAndRestore(spec)).rejects.toThrow(/pg_hba_file_rules, line 1/);
    await reload(spec);
  });

  it('comes back with every committed row after its postmaster was killed', async () => {
    const client = await connect(spec);
    await client.query('create table public.kept (n int)');
    await client.query('insert into public.kept select generate_series(1, 1000)');
    const busy = client.query('select pg_sleep(600)').catch(() => {});
    const killed = (await findServer(spec))!;
    process.kill(killed.pid, 'SIGKILL');
    const restarted = await startServer(spec);
    await busy;
    expect(restarted.pid).not.toBe(killed.pid);
    expect(await isServerAlive(killed)).toBe(false);
    expect(await askNumber(spec, 'select count(*) from public.kept')).toBe(1000);
    await client.end().catch(() => {});
  });

  it('is stopped with all of its processes, even when it cannot react', async () => {
    const server = (await findServer(spec))!;
    const client = await connect(spec);
    const backends = await backendsOf(server.pid);
    expect(backends.length).toBeGreaterThan(3);
    process.kill(server.pid, 'SIGSTOP');
    await stopServer(server, { mode: 'immediate', seconds: 0.2 });
    expect(await isServerAlive(server)).toBe(false);
    expect(await orphansOf(spec.dataDirectory)).toEqual([]);
    expect(await findServer(spec)).toBeNull();
    await stopServer(server, { mode: 'fast', seconds: 1 });
    await client.end().catch(() => {});
  });

  it('is not taken for another process that has the pid of its file', async () => {
    const file = `${spec.dataDirectory}/postmaster.pid`;
    await eventually(async () => (await findServer(spec)) === null);
    const other = spawn('sleep', ['600'], { ...asServerUser(spec.os), stdio: 'ignore' });
    await writeFile(file, `${other.pid}\n${spec.dataDirectory}\n`);
    expect(await findServer(spec)).toBeNull();
    other.kill('SIGKILL');
    const server = await startServer(spec);
    expect(await isServerAlive({ ...server, startTime: '1' })).toBe(false);
    expect(await isServerAlive({ ...server, bootId: 'another' })).toBe(false);
    expect(await isServerAlive(server)).toBe(true);
  });

  it('tells what its databases take', async () => {
    const client = await connect(spec);
    await client.query('create database sized');
    const sizes = await databaseSizes(client);
    await client.end();
    expect(Object.keys(sizes)).toEqual(['sized']);
    expect(sizes.sized).toBeGreaterThan(1_000_000);
  });

  it('says why it does not start, with the end of its log', async () => {
    await stopServer((await findServer(spec))!, { mode: 'fast', seconds: 30 });
    await writeFile(`${spec.dataDirectory}/postgresql.conf`, 'nonsense = 1\n');
    await expect(startServer(spec)).rejects.toThrow(/ended instead.*nonsense/s);
  });

  it.skipIf(!asRoot)('never runs as root (only as root)', async () => {
    await expect(startServer({ ...spec, os: null })).rejects.toThrow(/refuses to run as root/);
    expect(existsSync(`${spec.dataDirectory}/postmaster.pid`)).toBe(false);
  });
});

async function socketInodes(pid: number): Promise<string[]> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const targets = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  return targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []);
}
