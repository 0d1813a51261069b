import { expect, test } from 'vitest';
import { parseSince, describe as text } from '../src/find-change.js';
import { formatTableName, parseTableName } from '../src/table-name.js';

test('a table is named as in SQL', () => {
  expect(parseTableName('Orders')).toEqual({ schema: null, name: 'orders' });
  expect(parseTableName('sales.orders_2026')).toEqual({ schema: 'sales', name: 'orders_2026' });
  expect(parseTableName('"Sales"."a ""b"" .c"')).toEqual({ schema: 'Sales', name: 'a "b" .c' });
  expect(parseTableName('größe')).toEqual({ schema: null, name: 'größe' });
  for (const wrong of ['', 'a.b.c', 'two words', '"open', '1st', 'a;b', '""'])
    expect(() => parseTableName(wrong)).toThrow('is not the name of a table');
  expect(formatTableName({ schema: 'public', name: 'Old "Orders"' })).toBe('public."Old ""Orders"""');
});

test('a time may be how long ago it was', () => {
  const now = Date.parse('2026-03-04T12:00:00Z');
  expect(['90m', '2h', '3d'].map((since) => parseSince(since, now))).toEqual([
    '2026-03-04T10:30:00.000Z',
    '2026-03-04T10:00:00.000Z',
    '2026-03-01T12:00:00.000Z',
  ]);
  expect(parseSince('2026-03-04T12:00:00+01:00', now)).toBe('2026-03-04T12:00:00+01:00');
});

test('what is found is told with the command that brings it back, and so is what could not be seen', () => {
  const change = {
    ...{ kind: 'delete' as const, table: { schema: 'public', name: 'Orders' }, file: null, rows: 1, transaction: 700 },
    ...{ committedAt: '2026-03-04T05:06:07.123457Z', restoreTo: '2026-03-04T05:06:07.123456Z', isCrowded: true },
  };
  const unknown = { ...change, kind: 'truncate' as const, table: null, file: 16390, rows: null, isCrowded: false };
  const found = { from: 'A', to: 'B', omitted: 7, notes: ['A note.'], changes: [change, unknown] };
  const lines = text('pg-1', found).split('\n');
  expect(lines).toContain('2026-03-04T05:06:07.123457Z  transaction 700: 1 row deleted from public."Orders"');
  expect(lines).toContain(
    '  to have it back: heroku borealis-pg:restore:execute --addon pg-1 --restore-to-time 2026-03-04T05:06:07.123456Z --wait',
  );
  expect(lines).toContain(
    '2026-03-04T05:06:07.123457Z  transaction 700: a table that is not known (file 16390) emptied by TRUNCATE',
  );
  expect(lines.filter((line) => line.includes('Another transaction'))).toHaveLength(1);
  expect([lines[0], ...lines.slice(-3)]).toEqual([
    '7 older changes are not listed: ask for a table, a kind or a later time.',
    'That is all from A to B.',
    'A note.',
    '',
  ]);
  expect(text('pg-1', { ...found, changes: [], omitted: 0 })).toBe('Nothing was found in pg-1 from A to B.\nA note.\n');
});
