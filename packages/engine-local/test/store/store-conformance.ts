import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ObjectStore, readObject } from '../../src/store/object-store.js';
import { tryStore } from '../../src/store/open-store.js';
import { GENEROUS } from '../support/home.js';

/** A real store for one suite, and the way to what it really keeps. */
export interface StoreUnderTest {
  store: ObjectStore;
  /** Replaces the bytes of an object behind the store's back. */
  overwrite(name: string, change: (bytes: Buffer) => Buffer): Promise<void>;
  remove(): Promise<void>;
}

const MIB = 1024 * 1024;

async function* inPieces(content: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += 300_000) yield content.subarray(at, at + 300_000);
}

/** What every store has to do. */
export function testStore(what: string, open: () => Promise<StoreUnderTest>): void {
  describe(what, () => {
    let tested: StoreUnderTest;
    let store: ObjectStore;
    beforeAll(async () => {
      tested = await open();
      store = tested.store;
    }, GENEROUS);
    afterAll(() => tested?.remove());
    const names = async (prefix = '') => (await store.list(prefix)).map(({ name }) => name);

    test('can be tried, and nothing is left of it', async () => {
      await tryStore(store);
      expect(await names()).toEqual([]);
    });

    test.each([0, 1, 31, 32, 100_000, 33 * MIB])('gives back an object of %i bytes', async (bytes) => {
      const content = randomBytes(bytes);
      await store.put('some/object', inPieces(content));
      expect((await readObject(store, 'some/object')).equals(content)).toBe(true);
      await store.remove('some/object');
    });

    test('puts an object in the place of another', async () => {
      await store.put('same', inPieces(Buffer.from('the first, which is longer')));
      await store.put('same', inPieces(Buffer.from('the second')));
      expect((await readObject(store, 'same')).toString()).toBe('the second');
      expect(await names()).toEqual(['same']);
      await store.remove('same');
    });

    test('lists what begins alike, sorted, with sizes', async () => {
      for (const name of ['b/2', 'b/1', 'b/1x/deep', 'ba', 'a']) await store.put(name, inPieces(Buffer.from(name)));
      expect(await names()).toEqual(['a', 'b/1', 'b/1x/deep', 'b/2', 'ba']);
      expect(await names('b/')).toEqual(['b/1', 'b/1x/deep', 'b/2']);
      expect(await names('b/1')).toEqual(['b/1', 'b/1x/deep']);
      expect(await names('c/')).toEqual([]);
      expect((await store.list('b/2'))[0]!.bytes).toBeGreaterThan(2);
      for (const name of await names()) await store.remove(name);
    });

    test('removes an object, also one that is gone', async () => {
      await store.put('gone/soon', inPieces(Buffer.from('x')));
      await store.remove('gone/soon');
      await store.remove('gone/soon');
      expect(await names()).toEqual([]);
      await expect(readObject(store, 'gone/soon')).rejects.toMatchObject({
        fault: 'missing',
        message: `There is no object "gone/soon" in ${store.location}.`,
      });
    });

    test('keeps nothing of an object whose content ends in the middle, and the former one stays', async () => {
      await store.put('kept', inPieces(Buffer.from('as it was')));
      async function* broken(): AsyncGenerator<Buffer> {
        yield randomBytes(34 * MIB);
        throw new Error('the content broke off');
      }
      for (const name of ['kept', 'new'])
        await expect(store.put(name, broken())).rejects.toThrow('the content broke off');
      await store.removeUnfinished('');
      expect(await names()).toEqual(['kept']);
      expect((await readObject(store, 'kept')).toString()).toBe('as it was');
      await store.remove('kept');
    });

    test('notices an object that was changed, cut or lengthened', async () => {
      const content = randomBytes(200_000);
      const flip = (bytes: Buffer) => {
        bytes[100_000]! ^= 1;
        return bytes;
      };
      const changes = [
        flip,
        (bytes: Buffer) => bytes.subarray(0, -1),
        () => Buffer.alloc(0),
        (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1)]),
      ];
      for (const change of changes) {
        await store.put('damaged', inPieces(content));
        await tested.overwrite('damaged', change);
        await expect(readObject(store, 'damaged')).rejects.toMatchObject({
          fault: 'damaged',
          message: expect.stringContaining('"damaged"'),
        });
      }
      await store.remove('damaged');
    });

    test('refuses names that could lead elsewhere', async () => {
      for (const name of ['', '../up', '/root', 'a//b', 'a/../b', '.hidden', 'a/.b', 'a b'])
        await expect(store.put(name, inPieces(Buffer.from('x')))).rejects.toThrow('is not the name of an object');
    });
  });
}
