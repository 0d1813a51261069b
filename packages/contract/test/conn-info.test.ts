import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ConnInfo, formatConnInfo, parseConnInfo } from '../src/conn-info.js';

const value = fc.string().filter((text) => !/[|\\]|:=|\r/.test(text) && !text.startsWith('='));

test('whatever is written is read back, newlines included', () => {
  const info = fc.record({
    SSH_HOST: value,
    SSH_USER_PRIVATE_KEY: fc.array(value, { minLength: 1 }).map((lines) => lines.join('\n')),
  });
  fc.assert(
    fc.property(info, (given) => {
      expect(parseConnInfo(formatConnInfo(given as unknown as ConnInfo))).toEqual(given);
    }),
  );
});

test('a private key stays one line', () => {
  expect(formatConnInfo({ SSH_USER_PRIVATE_KEY: 'a\nb\n', SSH_PORT: '22' } as unknown as ConnInfo)).toBe(
    'SSH_USER_PRIVATE_KEY:=a\\nb\\n|SSH_PORT:=22',
  );
});

test('a value that the format cannot carry is never written', () => {
  expect(() => formatConnInfo({ SSH_HOST: 'a|b' } as unknown as ConnInfo)).toThrow('SSH_HOST');
});

test('text of another form is refused', () => {
  expect(() => parseConnInfo('no pairs here')).toThrow('KEY:=value');
});
