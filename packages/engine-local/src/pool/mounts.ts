import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfPresent } from '../system/files.js';
import { runTool } from './tool.js';

export interface Mount {
  /** `major:minor`. */
  device: string;
  path: string;
  type: string;
  /** `/dev/loop0`, for one. */
  source: string;
}

/** What is mounted, in the order it was. */
export async function mounts(): Promise<Mount[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).trim().split('\n');
  return lines.map((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , device = '', , path = ''] = before.split(' ');
    const [type = '', source = ''] = after.split(' ');
    return { device, path: plainText(path), type, source: plainText(source) };
  });
}

/** The kernel writes blanks and the like as three octal digits. */
function plainText(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

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

export async function detachLoop(device: string): Promise<void> {
  await runTool('losetup', ['--detach', device]);
}
