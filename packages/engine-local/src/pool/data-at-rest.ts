import { constants, copyFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataAtRest } from '@borealis/engine';
import { findProcesses } from '../system/process-identity.js';
import { backingFile } from './loop.js';
import { luksCipher } from './luks.js';
import { type Mount, mounts } from './mounts.js';

/** Looks at what is below the directory, down to the disk, and tries to clone a block. */
export async function dataAtRest(directory: string): Promise<DataAtRest> {
  const [encryption, copyOnWrite] = await Promise.all([encryptionOf(directory), canClone(directory)]);
  return { encryption, copyOnWrite };
}

/** True when files below the directory can share blocks; tried with a real one. */
export async function canClone(directory: string): Promise<boolean> {
  const [from, to] = ['from', 'to'].map((name) => join(directory, `.clone-${process.pid}-${name}`)) as [string, string];
  try {
    await writeFile(from, Buffer.alloc(8192, 1));
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE);
    return (await stat(to)).size === 8192;
  } catch {
    return false;
  } finally {
    await rm(from, { force: true });
    await rm(to, { force: true });
  }
}

/** What encrypts the file system that the path is on; null when nothing that can be seen does, or it cannot be told. */
export async function encryptionOf(path: string): Promise<string | null> {
  if (process.platform !== 'linux') return null;
  const mount = await mountOf(path).catch(() => null);
  if (!mount) return null;
  if (mount.type.startsWith('fuse')) return storageDaemonCipher(mount.path);
  const number = /^\/dev\/./.test(mount.source) ? await deviceNumber(mount.source) : mount.device;
  return number === null ? null : deviceEncryption(await deviceName(number));
}

/** What encrypts a block device (`dm-0`, `loop3`): itself, or every device below it. */
export async function deviceEncryption(name: string | null, sys = '/sys'): Promise<string | null> {
  if (name === null) return null;
  const text = (file: string) => readFile(join(sys, 'class/block', name, file), 'utf8').catch(() => '');
  const luks = /^CRYPT-(LUKS[12])-/.exec(await text('dm/uuid'))?.[1];
  const below = await readdir(join(sys, 'class/block', name, 'slaves')).catch(() => []);
  if (luks) {
    // Only root may read the header.
    const cipher = below[0] ? await luksCipher(join('/dev', below[0])).catch(() => null) : null;
    return cipher ? `${cipher} (${luks}, dm-crypt)` : `${luks} (dm-crypt)`;
  }
  const file = await backingFile(name, sys);
  if (file !== null) return encryptionOf(file);
  const found = await Promise.all(below.map((slave) => deviceEncryption(slave, sys)));
  return found.length > 0 && found.every((encryption) => encryption !== null) ? found[0]! : null;
}

async function mountOf(path: string): Promise<Mount | null> {
  const all = await mounts();
  // The export of a storage daemon is one file, mounted on itself.
  const itself = all.findLast((mount) => mount.path === path && mount.type.startsWith('fuse'));
  if (itself) return itself;
  const { dev } = await stat(path, { bigint: true });
  const device = numberOf(dev);
  return all.findLast((mount) => mount.device === device) ?? null;
}

async function deviceNumber(source: string): Promise<string | null> {
  const found = await stat(source, { bigint: true }).catch(() => null);
  return found?.isBlockDevice() ? numberOf(found.rdev) : null;
}

/** As the kernel writes it, `major:minor`. */
function numberOf(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

async function deviceName(number: string): Promise<string | null> {
  const text = await readFile(`/sys/dev/block/${number}/uevent`, 'utf8').catch(() => '');
  return /^DEVNAME=(.+)$/m.exec(text)?.[1] ?? null;
}

/** The cipher of the image that a living storage daemon shows in clear there, out of the image's own header. */
async function storageDaemonCipher(exported: string): Promise<string | null> {
  for (const { pid } of await findProcesses(0, null)) {
    const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (!args[0]?.endsWith('qemu-storage-daemon') || !args.some((arg) => hasMountpoint(arg, exported))) continue;
    const image = args.map(imageIn).find((file) => file !== null);
    const cipher = image && args.some((arg) => arg.includes('"driver":"luks"')) ? await luksCipher(image) : null;
    if (cipher) return `${cipher} (LUKS)`;
  }
  return null;
}

function hasMountpoint(argument: string, exported: string): boolean {
  return argument.includes(`"mountpoint":${JSON.stringify(exported)}`);
}

function imageIn(argument: string): string | null {
  if (!argument.startsWith('{"driver":"file"')) return null;
  return (JSON.parse(argument) as { filename: string }).filename;
}
