import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import {
  canEncrypt,
  daemonsIn,
  hasDmCrypt,
  poolDirectory,
  tracesOfPools,
} from '../../packages/engine-local/test/support/pool.js';
import { CLI, Installation, removeUsers } from '../support/installation.js';
import { kill9, processes, processesOf } from '../support/processes.js';
import { scenario } from '../support/scenario.js';
import { query } from '../support/sql.js';
import { appTunnelUser, openTunnel, throughPort, writerOf } from '../support/tunnel.js';
import { until } from '../support/until.js';

const TOOLS = {
  needs: 'root, loop devices, XFS, FUSE, xfsprogs, qemu-utils and qemu-system-common, and a kernel without dm-crypt',
  installed: () => canEncrypt && !hasDmCrypt,
};

let directory: Awaited<ReturnType<typeof poolDirectory>>;
let homeId: string | undefined;
let installation: Installation | undefined;

beforeAll(async () => {
  directory = await poolDirectory();
});

afterAll(async () => {
  await installation?.crash();
  for (const { pid } of processesOf(directory.home)) if (!(await daemonsIn(directory.path)).includes(pid)) kill9(pid);
  if (homeId) removeUsers(homeId);
  await directory.remove();
});

function borealis(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [CLI, ...args], {
    env: { ...process.env, BOREALIS_HOME: directory.home },
    encoding: 'utf8',
  });
}

async function start(): Promise<Installation> {
  installation = await Installation.start({ home: directory.home });
  homeId = (JSON.parse(readFileSync(join(directory.home, 'home.json'), 'utf8')) as { id: string }).id;
  return installation;
}

/** Through a tunnel of its own, as after a reconnect. */
async function ask(sql: string): Promise<Record<string, unknown>[]> {
  const config = await installation!.config('vault');
  const tunnel = await openTunnel(appTunnelUser(config), writerOf(config));
  try {
    const url = throughPort(config.DATABASE_URL!, tunnel.localPort);
    return await query(url, installation!.environment.BOREALIS_CA_FILE!, sql);
  } finally {
    await tunnel.close();
  }
}

/** The rows once the database answers again, whatever restarts meanwhile. */
async function expectRows(count: number): Promise<void> {
  let rows: unknown;
  await until(
    'the rows',
    async () => {
      rows = (await ask('select count(*)::int as count from kept').catch(() => [])) as unknown;
      return (rows as unknown[]).length === 1;
    },
    180,
  );
  expect(rows).toEqual([{ count }]);
}

/** Everything that could show the key to whoever lists processes. */
function shownByProcesses(secret: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => ['cmdline', 'environ'].map((file) => join('/proc', pid, file)))
    .filter((file) => {
      try {
        return readFileSync(file, 'latin1').includes(secret);
      } catch {
        return false;
      }
    });
}

scenario.fullWithTools(
  'a home on an encrypted pool: nothing is lost when all that stands under it is killed',
  TOOLS,
  async () => {
    const key = join(directory.path, 'key');
    const made = borealis('pool', 'init', '--size', '2G', '--key-file', key);
    expect(made.status, made.stdout + made.stderr).toBe(0);
    await start();
    expect(installation!.output).toContain(`The pool of ${directory.home} is mounted.`);
    const addon = await installation!.createAddon('vault');
    await ask('create table kept as select generate_series(1, 1000) as id');

    const found = { encryption: 'AES-256-XTS (LUKS)', copyOnWrite: true };
    expect(await installation!.addonApi('GET', `/heroku/resources/${addon.name}`)).toMatchObject({ dataAtRest: found });
    expect(JSON.parse(borealis('pool', 'status', '--json').stdout)).toMatchObject({
      state: 'mounted',
      dataAtRest: found,
    });
    expect(borealis('doctor').stdout).toContain('AES-256-XTS (LUKS)');
    expect(shownByProcesses(readFileSync(key, 'utf8').trim())).toEqual([]);

    await ask('insert into kept select generate_series(1, 10)');
    for (const pid of await daemonsIn(directory.path)) kill9(pid);
    await until('the pool to be missed', () => installation!.output.includes('mounting it anew'));
    await expectRows(1010);

    await ask('insert into kept select generate_series(1, 10)');
    await installation!.crash();
    await start();
    expect(installation!.output).toContain('was mounted already');
    await expectRows(1020);

    await ask('insert into kept select generate_series(1, 10)');
    await installation!.crash();
    // The sign that the next start is up; a removal that is not written out would come back with the pool.
    rmSync(join(directory.home, 'env'), { force: true });
    spawnSync('sync', ['--file-system', directory.home]);
    for (const { pid } of processesOf(directory.home)) kill9(pid);
    for (const pid of await daemonsIn(directory.path)) kill9(pid);
    const standing = () => processes().some(({ command }) => command.includes(`${directory.home}.pool`));
    await until('nothing to stand under it', () => !standing());
    await start();
    expect(installation!.output).toContain('is mounted anew');
    await expectRows(1030);

    await installation!.stop({ keep: true });
    installation = undefined;
    expect(await tracesOfPools(directory.path)).toEqual([]);
    expect(readdirSync(directory.home)).toEqual(['pool.json']);
  },
);
