import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { Secret } from '@borealis/contract';
import type { DatabaseBackup } from '@borealis/engine';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sealStream } from '../../src/archive/sealed-stream.js';
import type { Part } from '../../src/backups/backup-note.js';
import { DirectoryStore } from '../../src/store/directory-store.js';
import { DumpPlace, dumpPlaceId } from '../../src/store/dump-place.js';
import { removePlaces } from '../../src/store/sealed-place.js';
import { temporaryDirectory } from '../support/home.js';

const ID = dumpPlaceId('home01', 'tenants', 'app_one');
const WRAPPING_KEY = new Secret(randomBytes(32));
const KEY = new Secret(randomBytes(32));
const DUMP: DatabaseBackup = {
  ...{ name: '2026-01-01', takenAt: '2026-01-01T01:00:00.000000Z', seconds: 1, bytes: 10, tables: 1, rows: 2 },
  proof: null,
};

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let store: DirectoryStore;
let place: DumpPlace;

beforeEach(async () => {
  directory = await temporaryDirectory();
  await mkdir(`${directory.path}/store`);
  store = new DirectoryStore(`${directory.path}/store`);
  place = new DumpPlace(store, ID, KEY);
  await place.putKey(WRAPPING_KEY);
});
afterEach(() => directory.remove());

async function* one(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

/** As the disk has it. */
const sealed = (part: Part, database = 'app_one') =>
  sealStream(one(`the ${part}`), { key: KEY, name: `backups/tenants/${database}/${DUMP.name}/${part}` });

async function read(opened: DumpPlace, part: Part): Promise<string> {
  const parts: Buffer[] = [];
  for await (const piece of opened.readDump(DUMP.name, part)) parts.push(piece);
  return Buffer.concat(parts).toString();
}

test('dumps are read with the wrapping key and nothing else, and counted once their note is there', async () => {
  await place.putSealed(`${DUMP.name}/dump`, sealed('dump'));
  expect(await place.list()).toEqual({ dumps: [], unfinished: [DUMP.name] });
  await place.putDump(DUMP, (part) => sealed(part));
  const opened = await DumpPlace.open(store, ID, WRAPPING_KEY);
  expect(await opened.list()).toEqual({ dumps: [DUMP], unfinished: [] });
  expect([await read(opened, 'dump'), await read(opened, 'contents')]).toEqual(['the dump', 'the contents']);
  await expect(DumpPlace.open(store, ID, new Secret(randomBytes(32)))).rejects.toThrow('sealed with another key');
});

test('what was sealed for another database passes for nothing here', async () => {
  await place.putDump(DUMP, (part) => sealed(part, 'app_two'));
  await expect(read(place, 'dump')).rejects.toMatchObject({ name: 'SealedFileError' });
});

test('a dump that is removed is gone, and so is everything with the key', async () => {
  await place.putDump(DUMP, (part) => sealed(part));
  await place.removeDump(DUMP.name);
  await place.removeDump(DUMP.name);
  expect(await place.list()).toEqual({ dumps: [], unfinished: [] });
  await place.putDump(DUMP, (part) => sealed(part));
  expect(await removePlaces(store, 'databases/home01-other-')).toBe(false);
  expect(await removePlaces(store, 'databases/home01-tenants-')).toBe(true);
  expect(await store.list('')).toEqual([]);
  await expect(DumpPlace.open(store, ID, WRAPPING_KEY)).rejects.toMatchObject({ fault: 'missing' });
});

test('a name that is none of a database has nothing', async () => {
  for (const name of ['../up', 'home01-tenants', 'home01-tenants-a-b'])
    await expect(DumpPlace.open(store, name, WRAPPING_KEY)).rejects.toMatchObject({ fault: 'missing' });
});
