import { mkdir, stat, symlink } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { closedParent, prepareHome } from '../src/home/home.js';
import { homePaths, ofEra, ofNode, runtimeDirectory } from '../src/home/paths.js';
import { isRoot, temporaryDirectory } from './support/home.js';

test('sockets fit their limit, however deep the home lies', () => {
  for (const home of ['/h', `/${'d'.repeat(60)}`, `/${'e'.repeat(200)}`, `/${'é'.repeat(40)}`]) {
    const paths = homePaths(home).cluster('a'.repeat(16));
    const sockets = [1, 2, 12].flatMap((era) => [1, 9].map((node) => ofNode(ofEra(paths, era), node).socketDirectory));
    for (const path of [...sockets.map((socket) => `${socket}/.s.PGSQL.5432`), `${paths.gatewayLink}/control.sock`])
      expect(Buffer.byteLength(path)).toBeLessThanOrEqual(103);
  }
  expect(runtimeDirectory('/h')).toBe('/h/run');
  expect(runtimeDirectory(`/${'e'.repeat(200)}`)).not.toBe(runtimeDirectory(`/${'f'.repeat(200)}`));
});

test('nothing of a cluster in one era is where something of it is in another', () => {
  const paths = homePaths('/h').cluster('c');
  const placesOf = (era: number) =>
    [1, 2, 9].flatMap((node) => {
      const { data, postgresLog, socketDirectory, walSpool, archive, bases, broken } = ofNode(ofEra(paths, era), node);
      return [data, postgresLog, socketDirectory, ...(node === 1 ? [walSpool, archive, bases, broken] : [])];
    });
  const places = [1, 2, 3].flatMap(placesOf);
  expect(new Set(places).size).toBe(places.length);
  expect(ofEra(ofEra(paths, 3), 1)).toEqual(paths);
  expect(ofEra(paths, 2)).toMatchObject({ directory: paths.directory, record: paths.record, gateway: paths.gateway });
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
