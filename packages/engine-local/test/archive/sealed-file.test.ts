import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { Secret } from '@borealis/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSealed, seal } from '../../src/archive/sealed-file.js';
import { temporaryDirectory } from '../support/home.js';

const KEY = new Secret(randomBytes(32));
const HEADER = 72;
const MIB = 1024 * 1024;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let path: string;

beforeEach(async () => {
  directory = await temporaryDirectory();
  path = `${directory.path}/some`;
});

afterEach(() => directory.remove());

async function* inPieces(content: Buffer, size = 100_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

const sealed = (content: Buffer, name = 'some', key = KEY, to = path) => seal(inPieces(content), to, { key, name });

async function opened(name = 'some', key = KEY): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of openSealed(path, { key, name })) parts.push(part);
  return Buffer.concat(parts);
}

/** The frames of a sealed file, each with its length before it. */
function framesOf(file: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = HEADER; at < file.length; ) {
    const end = at + 4 + (file.readUInt32BE(at) % 0x8000_0000) + 16;
    frames.push(file.subarray(at, end));
    at = end;
  }
  return frames;
}

test.each([0, 1, 100_000, MIB, 3 * MIB + 17])('%i bytes that cannot be compressed come back', async (size) => {
  const content = randomBytes(size);
  const bytes = await sealed(content);
  expect((await readFile(path)).length).toBe(bytes);
  expect((await opened()).equals(content)).toBe(true);
});

test('what can be compressed takes less room, and none of it stands there in clear', async () => {
  const content = Buffer.from('a sentence that nobody else may read. '.repeat(400_000));
  expect(await sealed(content)).toBeLessThan(content.length / 100);
  expect((await readFile(path)).includes('nobody else')).toBe(false);
  expect((await opened()).equals(content)).toBe(true);
});

test('the same content is sealed differently each time', async () => {
  await sealed(Buffer.alloc(1000));
  const first = await readFile(path);
  await sealed(Buffer.alloc(1000));
  expect((await readFile(path)).subarray(HEADER)).not.toEqual(first.subarray(HEADER));
});

test('a file that was cut anywhere is refused', async () => {
  await sealed(randomBytes(300));
  const whole = await readFile(path);
  for (let length = 0; length < whole.length; length++) {
    await writeFile(path, whole.subarray(0, length));
    await expect(opened(), `cut at ${length}`).rejects.toMatchObject({
      fault: length < 8 ? 'not_sealed' : 'truncated',
    });
  }
});

test('a file with any bit changed is refused, with a sentence that names it', async () => {
  await sealed(randomBytes(100));
  const whole = await readFile(path);
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 1 << (at % 8);
    await writeFile(path, changed);
    await expect(opened(), `byte ${at}`).rejects.toMatchObject({
      name: 'SealedFileError',
      message: expect.stringMatching(`^The sealed file "${path}" .*\\.$`),
    });
  }
});

test('a file that goes on after its end is refused', async () => {
  await sealed(randomBytes(100));
  const whole = await readFile(path);
  await writeFile(path, Buffer.concat([whole, framesOf(whole)[0]!]));
  await expect(opened()).rejects.toThrow('goes on after its end');
});

test('parts that were moved, left out, repeated or taken from another file are refused', async () => {
  const content = randomBytes(3 * MIB);
  await sealed(content, 'some', KEY, `${path}-else`);
  const [stranger] = framesOf(await readFile(`${path}-else`));
  await sealed(content);
  const whole = await readFile(path);
  const [a, b, ...rest] = framesOf(whole) as [Buffer, Buffer, ...Buffer[]];
  const last = rest.at(-1)!;
  for (const frames of [[b, a, ...rest], [a, ...rest], [a, a, b, ...rest], [stranger!, b, ...rest], [last]]) {
    await writeFile(path, Buffer.concat([whole.subarray(0, HEADER), ...frames]));
    await expect(opened()).rejects.toMatchObject({ fault: 'damaged' });
  }
  // Also where a part in the middle says that it is the last.
  const early = Buffer.from(a);
  early[0]! |= 0x80;
  await writeFile(path, Buffer.concat([whole.subarray(0, HEADER), early]));
  await expect(opened()).rejects.toThrow('its part 1 is not the one that was sealed');
});

test('another key and another name are refused, each as what it is', async () => {
  await sealed(randomBytes(100));
  await expect(opened('some', new Secret(randomBytes(32)))).rejects.toThrow('was sealed with another key');
  await expect(opened('other')).rejects.toThrow('is not what was sealed under the name "other"');
  await writeFile(path, 'something else that is as long as a sealed file has to be, or even longer than that');
  await expect(opened()).rejects.toThrow('does not begin as a sealed file does');
});

test('when the content fails nothing is left, and what was there stays', async () => {
  await sealed(Buffer.from('before'));
  const failing = async function* () {
    yield randomBytes(2 * MIB);
    throw new Error('the source failed');
  };
  await expect(seal(failing(), path, { key: KEY, name: 'some' })).rejects.toThrow('the source failed');
  expect(await readdir(directory.path)).toEqual(['some']);
  expect((await opened()).toString()).toBe('before');
});

test('who stops reading leaves no file open', async () => {
  await sealed(randomBytes(3 * MIB));
  const before = (await readdir('/dev/fd')).length;
  for (let n = 0; n < 5; n++) for await (const _ of openSealed(path, { key: KEY, name: 'some' })) break;
  expect((await readdir('/dev/fd')).length).toBeLessThan(before + 5);
});
