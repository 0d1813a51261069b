import { Secret } from '@borealis/contract';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Place, Vault } from '../src/vault.js';

const vault = new Vault(new Secret(Buffer.alloc(32, 1)));
const text = fc.string({ unit: 'grapheme' });
const place = fc.record({ table: text, row: text, column: text });

test('what is sealed is opened again in its place, and never written the same way twice', () => {
  fc.assert(
    fc.property(text, place, (value, where) => {
      const sealed = vault.seal(new Secret(value), where);
      expect(vault.open(sealed, where).reveal()).toBe(value);
      expect(vault.seal(new Secret(value), where).equals(sealed)).toBe(false);
    }),
  );
});

test('it is not opened in any other place, under any other key, or with any bit changed', () => {
  const other = new Vault(new Secret(Buffer.alloc(32, 2)));
  fc.assert(
    fc.property(text, place, place, fc.nat(), (value, where, elsewhere, bit) => {
      const sealed = vault.seal(new Secret(value), where);
      const changed = Buffer.from(sealed);
      changed[bit % changed.length]! ^= 1 << (bit % 8);
      expect(() => vault.open(changed, where)).toThrow(/cannot be read/);
      expect(() => other.open(sealed, where)).toThrow(/cannot be read/);
      if (!samePlace(where, elsewhere)) expect(() => vault.open(sealed, elsewhere)).toThrow(/cannot be read/);
      expect(() => vault.open(sealed.subarray(0, bit % sealed.length), where)).toThrow(/cannot be read/);
    }),
  );
});

const samePlace = (a: Place, b: Place) => a.table === b.table && a.row === b.row && a.column === b.column;

test('a short master key is refused', () => {
  expect(() => new Vault(new Secret(Buffer.alloc(31)))).toThrow(/32 bytes/);
});
