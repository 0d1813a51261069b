import { Secret } from '@borealis/contract';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Place, Vault } from '../src/vault.js';

const vault = new Vault(new Secret(Buffer.alloc(32, 1)));
const text = fc.string({ unit: 'grapheme' });
const place = fc.record({ table: text, row: text, column: text });
const field = fc.constantFrom<keyof Place>('table', 'row', 'column');

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
    fc.property(text, place, field, fc.nat(), (value, where, moved, bit) => {
      const sealed = vault.seal(new Secret(value), where);
      const changed = Buffer.from(sealed);
      changed[bit % changed.length]! ^= 1 << (bit % 8);
      expect(() => vault.open(changed, where)).toThrow(/cannot be read/);
      expect(() => other.open(sealed, where)).toThrow(/cannot be read/);
      const elsewhere = { ...where, [moved]: `${where[moved]}x` };
      expect(() => vault.open(sealed, elsewhere)).toThrow(/cannot be read/);
      expect(() => vault.open(sealed.subarray(0, bit % sealed.length), where)).toThrow(/cannot be read/);
    }),
  );
});

test('a short master key is refused', () => {
  expect(() => new Vault(new Secret(Buffer.alloc(31)))).toThrow(/32 bytes/);
});
