import { expect, test } from 'vitest';
import { describe as text } from '../src/upgrade-revert.js';

test('what came of the way back is told in one line', () => {
  const versions = { from: '16.14', to: '15.18' };
  const moved = { pauseMs: 321, kept: 7, closed: { types: 1 } };
  expect(text('my-db', { state: 'done', ...versions, ...moved, revertibleUntil: null })).toBe(
    'my-db is back on PostgreSQL 15.18, from 16.14, with what was written since: queries waited for 321 ms, 7 sessions kept, ' +
      '1 session closed (types).\n',
  );
  expect(
    text('my-db', { state: 'failed', ...versions, findings: ['The schema was changed.', 'It is too late.'] }),
  ).toBe('my-db was not brought back from PostgreSQL 16.14 to 15.18: The schema was changed. It is too late.\n');
});
