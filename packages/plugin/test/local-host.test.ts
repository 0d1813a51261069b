import { expect, test } from 'vitest';
import { localHost } from '../src/tunnel/local-host.js';

const FALLBACK = { name: '127.0.0.1', address: '127.0.0.1' };
const answers = (...addresses: string[]) => localHost('db.example', () => Promise.resolve(addresses));

test.each([
  [['127.0.0.1'], '127.0.0.1'],
  [['::1', '127.0.0.2'], '127.0.0.2'],
  [['::1'], '::1'],
])('a name that leads only to this machine is shown: %j', async (addresses, address) => {
  expect(await answers(...addresses)).toEqual({ name: 'db.example', address });
});

test.each([[[]], [['192.0.2.7']], [['127.0.0.1', '192.0.2.7']], [['::ffff:192.0.2.7']], [['128.0.0.1']]])(
  'any other answer is not trusted: %j',
  async (addresses) => {
    expect(await answers(...addresses)).toEqual(FALLBACK);
  },
);

test('a name that does not resolve is 127.0.0.1', async () => {
  expect(await localHost('does-not-exist.invalid')).toEqual(FALLBACK);
});
