import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Refused } from '../../src/postgres/refusals.js';
import { BodyCapture } from '../../src/postgres/wire/body-capture.js';
import { errorFields } from '../../src/postgres/wire/error-response.js';
import { cancelRequest, fatal, int32, message, startupMessage } from '../../src/postgres/wire/messages.js';
import { MAX_MESSAGE_BYTES, MessageScanner } from '../../src/postgres/wire/scanner.js';
import { parseStartUp, startUpLength } from '../../src/postgres/wire/start-up-packet.js';

/** Cuts the bytes at these places (taken modulo their length). */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

/** What a scanner tells of these chunks, bodies of type `P` wanted. */
function scan(chunks: readonly Buffer[]) {
  const seen: { type: string; bytes: number; body: Buffer | null }[] = [];
  const capture = new BodyCapture(1000);
  const scanner = new MessageScanner({
    header: (type, bytes) => {
      seen.push({ type: String.fromCharCode(type), bytes, body: null });
      return type === 0x50 && capture.begin(bytes);
    },
    body: (chunk, start, end) => {
      const body = capture.take(chunk, start, end);
      if (body) seen.at(-1)!.body = Buffer.from(body);
    },
  });
  for (const chunk of chunks) scanner.scan(chunk);
  return { seen, atBoundary: scanner.atBoundary };
}

const anyMessage = fc
  .tuple(fc.constantFrom('P', 'B', 'Q', 'S', 'd'), fc.uint8Array({ maxLength: 60 }))
  .map(([type, body]) => ({ type, body: Buffer.from(body) }));

describe('the scanner', () => {
  test('sees the same messages however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(anyMessage, { maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (messages, places) => {
          const bytes = Buffer.concat(messages.map(({ type, body }) => message(type, body)));
          const expected = messages.map(({ type, body }) => ({
            type,
            bytes: body.length,
            body: type === 'P' && body.length > 0 ? body : null,
          }));
          expect(scan(cut(bytes, places))).toEqual({ seen: expected, atBoundary: true });
        },
      ),
    );
  });

  test('knows whether it stands between two messages', () => {
    const bytes = message('Q', 'SELECT 1');
    for (let end = 1; end < bytes.length; end++) expect(scan([bytes.subarray(0, end)]).atBoundary).toBe(false);
    expect(scan([bytes]).atBoundary).toBe(true);
  });

  test('takes lengths from 4 to 1 GiB and no other', () => {
    const header = (length: number) => Buffer.concat([Buffer.from('Q'), int32(length)]);
    for (const length of [4, 5, MAX_MESSAGE_BYTES]) expect(scan([header(length)]).seen).toHaveLength(1);
    for (const length of [3, 0, -1, MAX_MESSAGE_BYTES + 1]) expect(() => scan([header(length)])).toThrow(Refused);
    for (const length of [3, -1]) expect(() => scan(cut(header(length), [1, 2, 4]))).toThrow(Refused);
  });
});

describe('a start-up packet', () => {
  const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !text.includes('\0'));

  test('is read as it was written', () => {
    fc.assert(
      fc.property(fc.dictionary(word, word, { maxKeys: 8 }), (settings) => {
        const bytes = startupMessage(Object.entries(settings));
        expect(startUpLength(bytes)).toBe(bytes.length);
        expect(parseStartUp(bytes.subarray(4))).toEqual({
          kind: 'startup',
          minor: 0,
          settings: new Map(Object.entries(settings)),
        });
      }),
    );
  });

  test('of random bytes is read or refused, nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 80 }), fc.boolean(), (bytes, version3) => {
        const body = Buffer.from(bytes);
        if (version3) body.writeInt32BE(3 << 16);
        try {
          expect(parseStartUp(body).kind).toBeTypeOf('string');
        } catch (error) {
          expect(error).toBeInstanceOf(Refused);
        }
      }),
    );
  });

  test('may be a cancel request with a key of 4 to 256 bytes', () => {
    const key = (bytes: number) => cancelRequest(Buffer.concat([int32(42), Buffer.alloc(bytes, 1)])).subarray(4);
    for (const bytes of [4, 32, 256]) {
      expect(parseStartUp(key(bytes))).toEqual({ kind: 'cancel', pid: 42, secret: Buffer.alloc(bytes, 1) });
    }
    for (const bytes of [0, 3, 257]) expect(() => parseStartUp(key(bytes))).toThrow(/4 to 256/);
  });
});

test('an error response carries its fields both ways, and never breaks on half a one', () => {
  const bytes = fatal('28P01', 'no');
  const fields = { S: 'FATAL', V: 'FATAL', C: '28P01', M: 'no' };
  expect(Object.fromEntries(errorFields(bytes.subarray(5)))).toEqual(fields);
  for (let end = 5; end < bytes.length; end++) expect(errorFields(bytes.subarray(5, end)).size).toBeLessThanOrEqual(4);
});
