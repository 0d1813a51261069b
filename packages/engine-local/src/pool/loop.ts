import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfPresent } from '../system/files.js';
import { runTool } from './tool.js';

/** The loop devices whose data is in that file; also while the file cannot be reached any more. */
export async function loopDevicesOf(file: string): Promise<string[]> {
  const names = (await readdir('/sys/block')).filter((name) => /^loop\d+$/.test(name));
  const backed = await Promise.all(
    names.map(async (name) => ((await backingFile(name)) === file ? [`/dev/${name}`] : [])),
  );
  return backed.flat();
}

/** The file that is behind a loop device (`loop0`); null for another device and for one that is free. */
export async function backingFile(name: string, sys = '/sys'): Promise<string | null> {
  const text = await readIfPresent(join(sys, 'block', name, 'loop/backing_file'));
  return text?.trim().replace(/ \(deleted\)$/, '') ?? null;
}

/** Attaches the file to a free loop device, past the page cache where that works, and returns the device. */
export async function attachLoop(file: string): Promise<string> {
  const attach = (...how: string[]) => runTool('losetup', ['--find', '--show', ...how, file]);
  const device = await attach('--direct-io=on').catch(() => attach());
  return device.trim();
}

export async function detachLoops(file: string): Promise<void> {
  for (const device of await loopDevicesOf(file)) await runTool('losetup', ['--detach', device]);
}

/** Lets the file's loop devices have the size that the file has now. */
export async function seeNewSize(file: string): Promise<void> {
  for (const device of await loopDevicesOf(file)) await runTool('losetup', ['--set-capacity', device]);
}
