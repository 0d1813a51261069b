import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { canDmCrypt } from '../../src/pool/dm-crypt.js';
import { mounts } from '../../src/pool/mounts.js';
import { findProcesses } from '../../src/system/process-identity.js';
import { temporaryDirectory } from './home.js';

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

function has(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore', env: { PATH } }).error === undefined;
}

function canLoop(): boolean {
  return spawnSync('losetup', ['--find'], { stdio: 'ignore', env: { PATH } }).status === 0;
}

/** Root on Linux with loop devices and XFS. */
export const canPool = process.platform === 'linux' && process.getuid?.() === 0 && has('mkfs.xfs') && canLoop();

/** And with what encrypts. */
export const canEncrypt = canPool && existsSync('/dev/fuse') && has('qemu-img') && has('qemu-storage-daemon');

/** And with what makes the images that a kernel encrypts, whether this one can or not. */
export const hasCryptsetup = canPool && has('cryptsetup');

/** And with a kernel that encrypts block devices itself. */
export const hasDmCrypt = canPool && (await canDmCrypt());

/** A directory where pools are made; `remove` takes away whatever is left of them: mounts, loop devices, daemons. */
export async function poolDirectory(): Promise<{ path: string; home: string; remove(): Promise<void> }> {
  const { path, remove } = await temporaryDirectory();
  return { path, home: join(path, 'home'), remove: () => takeAway(path).then(remove) };
}

/** What stands between a home and its disk; empty when everything was taken down. */
export async function tracesOfPools(path: string): Promise<string[]> {
  const mounted = (await mounts()).filter((mount) => mount.path.startsWith(`${path}/`));
  const loops = execFileSync('losetup', ['--list', '--noheadings', '--output', 'NAME,BACK-FILE'], { env: { PATH } });
  const attached = loops
    .toString()
    .split('\n')
    .filter((line) => line.includes(`${path}/`));
  return [
    ...mounted.map((mount) => `mount ${mount.path}`),
    ...attached.map((line) => `loop ${line.split(' ')[0]}`),
    ...(await mappingsOn(attached)).map((mapping) => `mapping ${mapping}`),
    ...(await daemonsIn(path)).map((pid) => `daemon ${pid}`),
  ];
}

/** What the kernel decrypts from these loop devices. */
async function mappingsOn(attached: string[]): Promise<string[]> {
  const loops = attached.map((line) => line.split(' ')[0]!.replace('/dev/', ''));
  const above = await Promise.all(loops.map((loop) => readdir(`/sys/class/block/${loop}/holders`).catch(() => [])));
  return above.flat().map((name) => readFileSync(`/sys/class/block/${name}/dm/name`, 'utf8').trim());
}

/** Storage daemons whose image is below that directory. */
export async function daemonsIn(path: string): Promise<number[]> {
  const all = await findProcesses(0, 'qemu-storage-daemon');
  return all.map(({ pid }) => pid).filter((pid) => commandLine(pid).includes(`${path}/`));
}

/** As `ps` would show it, and a NUL after each argument. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

/** From the top down: a loop device whose file is gone from the tree can be found no more. */
async function takeAway(path: string): Promise<void> {
  const traces = await tracesOfPools(path);
  const named = (kind: string) =>
    traces.filter((trace) => trace.startsWith(`${kind} `)).map((trace) => trace.slice(kind.length + 1));
  const exported = named('mount').filter((mount) => mount.endsWith('/pool.raw'));
  const run = (...command: [string, ...string[]]) =>
    spawnSync(command[0], command.slice(1), { stdio: 'ignore', env: { PATH } });
  for (const mount of named('mount')) if (!exported.includes(mount)) run('umount', '--lazy', mount);
  for (const mapping of named('mapping')) run('cryptsetup', 'close', mapping);
  for (const device of named('loop')) run('losetup', '--detach', device);
  for (const pid of await daemonsIn(path)) process.kill(pid, 'SIGKILL');
  for (const mount of exported) run('umount', '--lazy', mount);
}
