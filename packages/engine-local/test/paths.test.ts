import { mkdir, stat, symlink } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { closedParent, prepareHome } from '../src/home/home.js';
import { homePaths, runtimeDirectory } from '../src/home/paths.js';
import { isRoot, temporaryDirectory } from './support/home.js';

test('sockets fit their limit, however deep the home lies', () => {
  for (const home of ['/h', `/${'d'.repeat(60)}`, `/${'e'.repeat(200)}`, `/${'é'.repeat(40)}`]) {
    const { socketDirectory, gatewayLink } = homePaths(home).cluster('a'.repeat(16));
    for (const path of [`${socketDirectory}/.s.PGSQL.5432`, `${gatewayLink}/control.sock`])
      expect(Buffer.byteLength(path)).toBeLessThanOrEqual(103);
  }
  expect(runtimeDirectory('/h')).toBe('/h/run');
  expect(runtimeDirectory(`/${'e'.repeat(200)}`)).not.toBe(runtimeDirectory(`/${'f'.repeat(200)}`));
});

test('a link in place of the runtime directory is refused', async () => {
  const directory = await temporaryDirectory();
  await symlink('/tmp', `${directory.path}/run`);
  await expect(prepareHome(directory.path)).rejects.toThrow('must be a directory of this user');
  await directory.remove();
});

test('private parts of a home are closed', async () => {
  const directory = await temporaryDirectory();
  const paths = await prepareHome(`${directory.path}/home`);
  for (const path of [paths.authority, paths.events]) expect((await stat(path)).mode & 0o077).toBe(0);
  expect((await stat(paths.home)).mode & 0o066).toBe(0);
  await directory.remove();
});

test('a parent that others cannot enter is found', async () => {
  const directory = await temporaryDirectory();
  await mkdir(`${directory.path}/closed`, { mode: 0o700 });
  expect(await closedParent(`${directory.path}/closed/home`)).toBe(`${directory.path}/closed`);
  expect(await closedParent(`${directory.path}/home`)).toBeNull();
  await directory.remove();
});

test.skipIf(!isRoot)('a home below a closed directory is refused with one sentence (as root)', async () => {
  const directory = await temporaryDirectory();
  await mkdir(`${directory.path}/closed`, { mode: 0o700 });
  await expect(prepareHome(`${directory.path}/closed/home`)).rejects.toThrow(/closed is closed to other users/);
  await directory.remove();
});
