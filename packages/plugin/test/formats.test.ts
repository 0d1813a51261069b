import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { formatResult } from '../src/run/formats.js';
import type { SqlResult } from '../src/run/sql.js';

const TYPES = {
  bool: 16,
  int8: 20,
  int4: 23,
  text: 25,
  json: 114,
  float8: 701,
  date: 1082,
  textArray: 1009,
  numeric: 1700,
  jsonb: 3802,
};

/** What JSON, YAML and trimming treat in some special way. */
const AWKWARD = [...'\u0000\r\n\t \u00a0\u0085\u2028\ufeff\'"\\:#-?|>%@!&*[]{},~0eé😀', '\ud800', 'null', 'true'];

function one(type: keyof typeof TYPES, value: string | null): SqlResult {
  return { columns: [{ name: 'v', typeId: TYPES[type] }], rows: [[value]], rowCount: 1 };
}
const json = (result: SqlResult) => JSON.parse(formatResult(result, 'json'))[0].v;
const yaml = (result: SqlResult) => parseYaml(`${formatResult(result, 'yaml')}\n`)[0].v;

describe('JSON and YAML hold values exactly', () => {
  test.each([
    ['int4', '7', 7],
    ['bool', 't', true],
    ['float8', '0.1', 0.1],
    ['text', '7', '7'],
    ['int8', '9007199254740993', '9007199254740993'],
    ['numeric', '1.10', '1.10'],
    ['date', '2026-01-31', '2026-01-31'],
    ['textArray', '{a,NULL,"b c"}', ['a', null, 'b c']],
    ['text', null, null],
    ['json', '{"a": [1, null]}', { a: [1, null] }],
  ] as const)('%s %s', (type, text, value) => {
    expect(json(one(type, text))).toEqual(value);
    expect(yaml(one(type, text))).toEqual(value);
  });

  test('a float that is no number stays a word in JSON, where it would become null', () => {
    expect(json(one('float8', 'NaN'))).toBe('NaN');
    expect(json(one('float8', '-Infinity'))).toBe('-Infinity');
  });

  test('digits inside json are kept, also those a double cannot hold', () => {
    const text = '{"id": 12345678901234567890}';
    expect(formatResult(one('jsonb', text), 'json')).toContain(text);
    expect(formatResult(one('jsonb', text), 'yaml')).toContain('12345678901234567890');
  });

  test('text of any kind comes back as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...AWKWARD) }), (text) => {
        expect(json(one('text', text))).toBe(text);
        expect(yaml(one('text', text))).toBe(text);
      }),
    );
  });

  test('columns of one name do not hide each other', () => {
    const columns = ['id', 'id', 'id_2', 'id'].map((name) => ({ name, typeId: TYPES.int4 }));
    const rows = JSON.parse(formatResult({ columns, rows: [['1', '2', '3', '4']], rowCount: 1 }, 'json'));
    expect(rows).toEqual([{ id: 1, id_3: 2, id_2: 3, id_4: 4 }]);
  });

  test('no rows are an empty list', () => {
    const none = { columns: [], rows: [], rowCount: 3 };
    expect(formatResult(none, 'json')).toBe('[]');
    expect(formatResult(none, 'yaml')).toBe('[]');
    expect(formatResult(none, 'csv')).toBe('');
    expect(formatResult(none, 'table')).toBe('(3 rows)');
  });
});

test('CSV quotes what needs it, and tells NULL from an empty string', () => {
  const cell = (value: string | null) => formatResult(one('text', value), 'csv').slice('v\n'.length);
  expect(cell('plain')).toBe('plain');
  expect(cell('a"b')).toBe('"a""b"');
  expect(cell('two\nlines')).toBe('"two\nlines"');
  expect(cell('')).toBe('""');
  expect(cell(null)).toBe('');
});

describe('a table', () => {
  test('is drawn as psql does, numbers to the right', () => {
    const columns = [
      { name: 'name', typeId: TYPES.text },
      { name: 'n', typeId: TYPES.int8 },
    ];
    const rows = [
      ['größe', '5'],
      ['b', '1000'],
    ];
    expect(formatResult({ columns, rows, rowCount: 2 }, 'table')).toBe(
      [' name  | n', '-------+------', ' größe |    5', ' b     | 1000', '(2 rows)'].join('\n'),
    );
  });

  test('keeps a value of several lines together', () => {
    expect(formatResult(one('text', 'one\nthree'), 'table')).toBe(' v\n-------\n one  +\n three\n(1 row)');
  });

  test('never sends control characters to the terminal', () => {
    expect(formatResult(one('text', '\u001b]0;owned\u0007'), 'table')).toContain('\\x1B]0;owned\\x07');
  });
});
