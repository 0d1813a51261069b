import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frameLogLines, parseLogFrames } from '../src/logplex.js';

const line = fc.record({
  at: fc.date({ min: new Date('2000-01-01T00:00:00Z'), max: new Date('2100-01-01T00:00:00Z'), noInvalidDate: true }),
  message: fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\n')),
  app: fc.constant('app'),
  process: fc.constantFrom('borealis-pg', 'web.1'),
});

test('frames of any text are read back, lengths counted in bytes', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 5 }), (lines) => {
      expect(parseLogFrames(frameLogLines(lines))).toEqual(lines);
    }),
  );
});

test('one event is one frame with the standard header', () => {
  const at = new Date('2022-11-23T03:04:24.141Z');
  expect(frameLogLines([{ at, message: 'source=x event=y' }]).toString()).toBe(
    '81 <190>1 2022-11-23T03:04:24.141000+00:00 host app borealis-pg - - source=x event=y',
  );
});

test('a line break inside a message cannot forge a second line', () => {
  const [read] = parseLogFrames(frameLogLines([{ at: new Date(0), message: 'a\nb' }]));
  expect(read?.message).toBe('a b');
});

test.each(['x', '5 ab', '0 ', '-1 a', '3 abc', '9999 <190>1'])('%j is refused', (text) => {
  expect(() => parseLogFrames(Buffer.from(text))).toThrow('log frame');
});
