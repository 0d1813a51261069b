import { expect, test } from 'vitest';
import { drill, describe as sentences } from '../src/drill.js';

test('a drill says how long it took and what became of the sessions, where that is known', () => {
  expect(sentences('shop', { milliseconds: 420, kept: 7, closed: 2 })).toBe(
    'A standby of shop took over within 420 ms. 7 sessions went on, 2 were ended.\n',
  );
  expect(sentences('shop', { milliseconds: 420, kept: null, closed: null })).toBe(
    'A standby of shop took over within 420 ms.\n',
  );
});

test('a drill of something else, or of nothing, touches nothing', async () => {
  const service = () => Promise.reject(new Error('asked'));
  for (const args of [[], ['failover'], ['restart', 'shop'], ['failover', 'shop', 'more']])
    await expect(drill(service, args)).rejects.toThrow('Say what to try');
});
