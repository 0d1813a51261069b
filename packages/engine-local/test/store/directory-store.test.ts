import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DirectoryStore } from '../../src/store/directory-store.js';
import { openStore, tryStore } from '../../src/store/open-store.js';
import { eventually, isRoot, temporaryDirectory } from '../support/home.js';
import { testStore } from './store-conformance.js';

testStore('a store in a directory', async () => {
  const { path, remove } = await temporaryDirectory();
  return {
    store: new DirectoryStore(path),
    overwrite: async (name, change) => writeFile(join(path, name), change(await readFile(join(path, name)))),
    remove,
  };
});

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeEach(async () => {
  directory = await temporaryDirectory();
});

afterEach(() => directory.remove());

test('a process that is killed in the middle of a put leaves nothing that counts, and what it leaves is removed', async () => {
  const store = new DirectoryStore(directory.path);
  const module = new URL('../../dist/store/directory-store.js', import.meta.url).href;
  const program = `
    import { DirectoryStore } from '${module}';
    async function* endless() { for (;;) { yield Buffer.alloc(100_000); await new Promise((go) => setTimeout(go, 5)); } }
    await new DirectoryStore(process.argv[1]).put('deep/down/object', endless());`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, directory.path]);
  const below = join(directory.path, 'deep/down');
  await eventually('a part of the object', async () => (await readdir(below).catch(() => [])).length > 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await store.list('')).toEqual([]);
  await store.removeUnfinished('');
  expect(await readdir(directory.path)).toEqual([]);
});

test('a directory that is gone, since its disk is not mounted, is not made anew', async () => {
  const path = join(directory.path, 'disk');
  await mkdir(path);
  const store = openStore(`${path}/`);
  await tryStore(store);
  await rename(path, `${path}.gone`);
  const sentence = `The store ${path} is no directory.`;
  await expect(tryStore(store)).rejects.toMatchObject({ fault: 'unavailable', message: sentence });
  await expect(store.list('')).rejects.toThrow(sentence);
  await expect(store.get('some').next()).rejects.toThrow();
  await expect(store.remove('some')).rejects.toThrow(sentence);
  expect(await readdir(directory.path)).toEqual(['disk.gone']);
});

test.skipIf(isRoot)('a directory that cannot be written is told (as an ordinary user)', async () => {
  const path = join(directory.path, 'closed');
  await mkdir(path, { mode: 0o500 });
  await expect(tryStore(openStore(path))).rejects.toMatchObject({ fault: 'refused' });
});

test('what is no place is refused', () => {
  for (const place of ['', 'relative/path', 'ftp://somewhere']) expect(() => openStore(place)).toThrow('is no store');
});
