import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dataAtRest, deviceEncryption } from '../src/pool/data-at-rest.js';
import { luksCipher } from '../src/pool/luks.js';

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
