import { createHash, randomBytes } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attachLoop, detachLoops } from './loop.js';
import { type Pool, poolPaths } from './pool.js';
import { runTool } from './tool.js';

/**
 * True when this kernel encrypts block devices and cryptsetup is there; found by encrypting one, since `/dev/mapper/control` is there
 * without, and a module may be loaded that lacks a cipher.
 */
export async function canDmCrypt(): Promise<boolean> {
  if (!(await hasDeviceMapper())) return false;
  const name = `borealis-probe-${randomBytes(6).toString('hex')}`;
  const file = join(tmpdir(), name);
  const plain = ['--type', 'plain', '--cipher', 'aes-xts-plain64', '--key-size', '512', '--key-file', '/dev/urandom'];
  try {
    await writeFile(file, Buffer.alloc(1024 * 1024), { mode: 0o600 });
    await runTool('cryptsetup', ['open', ...plain, await attachLoop(file), name]);
    return true;
  } catch {
    return false;
  } finally {
    await closeMapping(name).catch(() => undefined);
    await detachLoops(file).catch(() => undefined);
    await rm(file, { force: true });
  }
}

/** As far as the kernel says itself; what it has as a module is loaded first. */
export async function hasDeviceMapper(): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  await runTool('modprobe', ['--quiet', 'dm-crypt']).catch(() => undefined);
  return /^ *\d+ device-mapper$/m.test(await readFile('/proc/devices', 'utf8').catch(() => ''));
}

/** The device that shows the pool in clear; the same for every process. */
export function mappingOf({ home }: Pool): string {
  const digest = createHash('sha256').update(poolPaths(home).directory).digest('hex');
  return `borealis-${digest.slice(0, 16)}`;
}

export const deviceOf = (mapping: string): string => `/dev/mapper/${mapping}`;

export async function isMapped(mapping: string): Promise<boolean> {
  return stat(deviceOf(mapping)).then(
    (found) => found.isBlockDevice(),
    () => false,
  );
}

/** Takes a mapping away, if it is there. */
export async function closeMapping(mapping: string): Promise<void> {
  if (await isMapped(mapping)) await runTool('cryptsetup', ['close', mapping]);
}
