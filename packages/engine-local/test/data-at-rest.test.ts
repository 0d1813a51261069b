import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dataAtRest, deviceEncryption, luksCipher } from '../src/pool/data-at-rest.js';
import { hasDmCrypt } from './support/pool.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rest-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** A block device as the kernel shows it in `/sys`. */
async function device(name: string, uuid: string, below: string[] = []): Promise<void> {
  const place = join(directory, 'class/block', name);
  await mkdir(join(place, 'dm'), { recursive: true });
  await mkdir(join(place, 'slaves'));
  await writeFile(join(place, 'dm/uuid'), `${uuid}\n`);
  for (const slave of below) await symlink(join(directory, 'class/block', slave), join(place, 'slaves', slave));
}

test.skipIf(process.platform !== 'linux')('memory is not encrypted, and shares no blocks', async () => {
  expect(await dataAtRest('/dev/shm')).toEqual({ encryption: null, copyOnWrite: false });
});

test('a volume is encrypted when everything below it is', async () => {
  await device('dm-0', 'CRYPT-LUKS2-0123456789abcdef-data');
  await device('dm-1', 'CRYPT-LUKS1-0123456789abcdef-more');
  await device('sda', '');
  await device('dm-2', 'LVM-one', ['dm-0', 'dm-1']);
  await device('dm-3', 'LVM-two', ['dm-0', 'sda']);
  await device('dm-4', 'LVM-three', ['dm-2']);
  expect(await deviceEncryption('dm-0', directory)).toBe('LUKS2 (dm-crypt)');
  expect(await deviceEncryption('dm-1', directory)).toBe('LUKS1 (dm-crypt)');
  expect(await deviceEncryption('dm-4', directory)).toBe('LUKS2 (dm-crypt)');
  for (const name of ['dm-3', 'sda', 'absent']) expect(await deviceEncryption(name, directory)).toBeNull();
});

test('a file that is no LUKS image is not taken for one', async () => {
  const file = join(directory, 'image');
  await writeFile(file, 'LUKS');
  expect(await luksCipher(file)).toBeNull();
});

test.skipIf(!hasDmCrypt)(
  'a volume of dm-crypt is recognised (needs root, cryptsetup, and dm-crypt in the kernel)',
  async () => {
    const [image, name] = [join(directory, 'image'), `borealis-test-${process.pid}`];
    const cryptsetup = (...args: string[]) => execFileSync('cryptsetup', args, { input: 'a key for a test' });
    await writeFile(image, '');
    await truncate(image, 64 * 1024 * 1024);
    cryptsetup('luksFormat', '--batch-mode', '--type', 'luks2', '--key-size', '512', image, '-');
    cryptsetup('open', '--key-file', '-', image, name);
    try {
      const number = execFileSync('dmsetup', ['info', '-c', '--noheadings', '-o', 'minor', name]).toString().trim();
      expect(await deviceEncryption(`dm-${number}`)).toBe('LUKS2 (dm-crypt)');
    } finally {
      cryptsetup('close', name);
    }
  },
);
