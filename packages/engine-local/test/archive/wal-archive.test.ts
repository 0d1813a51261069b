import { randomBytes } from 'node:crypto';
import { link, mkdir, readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Secret } from '@borealis/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WalArchive } from '../../src/archive/wal-archive.js';
import { missingFiles } from '../../src/archive/wal-gaps.js';
import { parseSegment, segmentName } from '../../src/archive/wal-names.js';
import { temporaryDirectory } from '../support/home.js';

const MIB = 1024 * 1024;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let place: ConstructorParameters<typeof WalArchive>[0];
let archive: WalArchive;

const segment = (number: number, timeline = 1) => segmentName({ timeline, number });
const spooled = (name: string) => join(place.spool, name);

beforeEach(async () => {
  directory = await temporaryDirectory();
  const at = (name: string) => join(directory.path, name);
  const key = new Secret(randomBytes(32));
  place = { directory: at('archive'), spool: at('spool'), uid: process.getuid!(), key };
  for (const path of [place.directory, place.spool]) await mkdir(path);
  archive = new WalArchive(place);
});

afterEach(() => directory.remove());

async function spool(name: string, content = Buffer.alloc(16 * MIB, name)): Promise<void> {
  await writeFile(spooled(name), content);
}

async function read(name: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of archive.read(name)) parts.push(part);
  return Buffer.concat(parts);
}

test('numbers of segments go on over the end of a log file', () => {
  expect(segment(255)).toBe('0000000100000000000000FF');
  expect(segment(256)).toBe('000000010000000100000000');
  expect(parseSegment('00000003000000A1000000FE')).toEqual({ timeline: 3, number: 0xa1 * 256 + 254 });
});

test('what is taken is in the archive, no more in the spool, and comes back as it was', async () => {
  const content = randomBytes(16 * MIB);
  await spool(segment(2), content);
  await archive.take(segment(2));
  expect(await readdir(place.spool)).toEqual([]);
  expect((await archive.segments()).map(({ name, timeline }) => [name, timeline])).toEqual([[segment(2), 1]]);
  expect((await read(segment(2))).equals(content)).toBe(true);
});

test('the same file again is passed over, another content under its name is kept apart', async () => {
  for (let twice = 0; twice < 2; twice++) {
    await spool(segment(2));
    await archive.take(segment(2));
  }
  expect(await readdir(place.spool)).toEqual([]);
  await spool(segment(2), Buffer.alloc(16 * MIB, 'another'));
  await expect(archive.take(segment(2))).rejects.toThrow('was archived before with another content');
  expect(await readdir(place.spool)).toEqual([segment(2)]);
  expect((await read(segment(2))).equals(Buffer.alloc(16 * MIB, segment(2)))).toBe(true);
});

test('histories come first, then segments in the order of time; what has another name is left alone', async () => {
  const names = ['000000020000000000000003', '000000010000000000000002', '00000002.history'];
  for (const name of [...names, '.000000010000000000000004.77', 'passwd']) await spool(name, Buffer.from('x'));
  expect(await archive.spooled()).toEqual(names.toReversed());
});

test('half a copy is removed once the whole file is in the archive, and nothing else', async () => {
  await spool(segment(2));
  for (const name of [`.${segment(2)}.77`, `.${segment(3)}.77`, `.${segment(2)}`, '.other.77'])
    await spool(name, Buffer.from('half'));
  await archive.removeHalfSpooled();
  expect(await readdir(place.spool)).toHaveLength(5);
  await archive.take(segment(2));
  await archive.removeHalfSpooled();
  expect((await readdir(place.spool)).sort()).toEqual([`.${segment(2)}`, `.${segment(3)}.77`, '.other.77']);
});

test('what is no file of PostgreSQL is not read: links, other lengths, other users', async () => {
  await writeFile(`${directory.path}/secret`, Buffer.alloc(16 * MIB));
  await symlink(`${directory.path}/secret`, spooled(segment(1)));
  await link(`${directory.path}/secret`, spooled(segment(2)));
  await spool(segment(3));
  await truncate(spooled(segment(3)), 16 * MIB - 1);
  await mkdir(spooled(segment(4)));
  await spool('00000002.history', Buffer.alloc(2 * MIB));
  for (const name of [...[1, 2, 3, 4].map((number) => segment(number)), '00000002.history'])
    await expect(archive.take(name), name).rejects.toThrow();
  await spool(segment(5));
  const another = new WalArchive({ ...place, uid: place.uid + 1 });
  await expect(another.take(segment(5))).rejects.toThrow("is not a file of PostgreSQL's own user");
  expect(await readdir(place.directory)).toEqual([]);
});

test('pruning removes what is older, on all timelines, and no history', async () => {
  const names = ['00000002.history', segment(1), segment(2), segment(2, 2), segment(3, 2)];
  for (const name of names) {
    await spool(name, name.endsWith('history') ? Buffer.from('1\t0/2000000\tx') : undefined);
    await archive.take(name);
  }
  await writeFile(join(place.directory, `${segment(4)}.sealed.0a0b.sealing`), '');
  await archive.removeHalfSealed();
  await archive.prune(segment(2, 2));
  expect(await archive.names()).toEqual(['00000002.history', segment(2), segment(2, 2), segment(3, 2)].sort());
  expect((await readdir(place.directory)).length).toBe(4);
  expect(await archive.gaps(segment(1))).toEqual([segment(1)]);
  expect(await archive.gaps(segment(2))).toEqual([]);
});

test('a gap is named, on the timeline that a recovery would look on', async () => {
  const history = async () => '1\t0/3000060\tno recovery target specified\n2\t0/5000000\tx\n';
  const gaps = (names: string[], from = segment(1)) => missingFiles(names, from, history);
  const first = [1, 2, 3, 4].map((number) => segment(number));
  expect(await gaps(first)).toEqual([]);
  expect(await gaps([...first, segment(7)])).toEqual([segment(5), segment(6)]);
  expect(await gaps([])).toEqual([segment(1)]);
  const later = [segment(3, 2), segment(4, 2), segment(5, 3), segment(6, 3)];
  expect(await gaps([...first, ...later])).toEqual(['00000003.history']);
  expect(await gaps([...first, ...later, '00000003.history'])).toEqual([]);
  const without = later.filter((name) => name !== segment(4, 2));
  expect(await gaps([...first, ...without, '00000003.history'])).toEqual([segment(4, 2)]);
  expect(await gaps([...later, '00000003.history'], segment(3, 2))).toEqual([]);
});
