import { expect, test } from 'vitest';
import { parseWait, describe as text } from '../src/upgrade-minor.js';

test('what came of an upgrade is told in one line', () => {
  const versions = { from: '16.13', to: '16.14' };
  expect(
    text('my-db', { state: 'done', ...versions, pauseMs: 321, kept: 7, closed: { 'temporary-table': 1, late: 2 } }),
  ).toBe(
    'my-db went from PostgreSQL 16.13 to 16.14: queries waited for 321 ms, 7 sessions kept, ' +
      '1 session closed (temporary-table), 2 sessions closed (late).\n',
  );
  expect(text('my-db', { state: 'done', ...versions, pauseMs: null, kept: null, closed: {} })).toBe(
    'my-db went from PostgreSQL 16.13 to 16.14: how long queries waited is not known, ' +
      'how many sessions were kept is not known, none closed.\n',
  );
  expect(text('my-db', { state: 'done', from: '16.14', to: '16.14', pauseMs: 0, kept: null, closed: {} })).toBe(
    'my-db runs PostgreSQL 16.14 already.\n',
  );
  expect(text('my-db', { state: 'failed', ...versions, reason: 'It did not start.' })).toBe(
    'my-db was not upgraded from PostgreSQL 16.13 to 16.14: It did not start.\n',
  );
});

test('how long to wait is written with a unit', () => {
  expect(['0s', '90s', '10m', '24h'].map(parseWait)).toEqual([0, 90, 600, 86_400]);
  for (const wrong of ['', '10', '25h', '-1m', '1d', 'm']) expect(() => parseWait(wrong)).toThrow('is not how long');
});
