import { expect, test } from 'vitest';
import { parseDelay, describe as text } from '../src/upgrade-major.js';

test('what was announced is told in one line for each cluster', () => {
  const announced = {
    clusterId: 'c1',
    from: '15',
    to: '16',
    beginsAfter: '2026-03-05T15:05:17.485Z',
    addons: ['a', 'b'],
  };
  expect(text({ clusterId: 'c1', announced, error: null })).toBe(
    'Cluster c1 is upgraded from PostgreSQL 15 to 16 after 2026-03-05T15:05:17.485Z; whoever owns the app of its 2 add-ons gets an e-mail.',
  );
  expect(text({ clusterId: 'c1', announced: null, error: null })).toBe('Cluster c1: the upgrade is taken back.');
  expect(text({ clusterId: 'c1', announced: null, error: 'It is running.' })).toBe('Cluster c1: It is running.');
});

test('when to begin is written with a unit', () => {
  expect(['0m', '30m', '12h', '7d'].map(parseDelay)).toEqual([0, 1800, 43_200, 604_800]);
  for (const wrong of ['', '7', '91d', '-1m', '1w', '30s'])
    expect(() => parseDelay(wrong)).toThrow('is not when to begin');
});
