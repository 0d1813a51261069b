import { gatewayLimits } from '@borealis/contract';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressRanges, limitKey, plainAddress, siteKey } from '../src/ssh/addresses.js';
import { Admission } from '../src/ssh/admission.js';

test('IPv4 mapped into IPv6 is the IPv4 address', () => {
  expect(plainAddress('::ffff:192.0.2.1')).toBe('192.0.2.1');
  expect(plainAddress('fe80::1%eth0')).toBe('fe80::1');
});

test('an IPv6 address is counted by its /64 and its /48', () => {
  expect(limitKey('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64');
  expect(limitKey('2001:db8::1')).toBe('2001:db8:0:0::/64');
  expect(siteKey('2001:db8:1:2::9')).toBe('2001:db8:1::/48');
  expect(limitKey('::1')).toBe('0:0:0:0::/64');
  expect([limitKey('192.0.2.1'), siteKey('192.0.2.1')]).toEqual(['192.0.2.1', null]);
});

test('all addresses of a /64 share one key, however they are written', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      if (address.includes('.')) return;
      const key = limitKey(address);
      expect(key).toMatch(/^([0-9a-f]{1,4}:){4}:\/64$/);
    }),
  );
});

test('ranges: loopback always, the given ones, and nothing else; a wrong one is named', () => {
  const within = addressRanges(['10.1.0.0/16', '2001:db8::/32', '192.0.2.7']);
  expect(['127.0.0.1', '127.9.9.9', '::1', '10.1.2.3', '2001:db8:ffff::1', '192.0.2.7'].every(within)).toBe(true);
  expect(['10.2.0.1', '192.0.2.8', '2001:db9::1', '', 'nonsense'].some(within)).toBe(false);
  for (const bad of ['10.0.0.0/33', 'host', '10.0.0.0/8/8', '::/129', '10.0.0.0/']) {
    expect(() => addressRanges([bad])).toThrow(bad);
  }
});

test('an address has its limit, a /48 a larger one, and a trusted address only the global one', () => {
  const limits = gatewayLimits.parse({
    unauthenticatedPerAddress: 2,
    unauthenticatedConnections: 20,
    connections: 100,
  });
  const admission = new Admission(limits, (address) => address === '127.0.0.1');
  const end = admission.admit('192.0.2.1', 0) as () => void;
  admission.admit('192.0.2.1', 0);
  expect(admission.admit('192.0.2.1', 0)).toBe('refused-address');
  end();
  end(); // counts once
  expect(admission.admit('192.0.2.1', 0)).toBeTypeOf('function');
  expect(admission.admit('192.0.2.1', 0)).toBe('refused-address');
  for (let host = 0; host < 8; host++) admission.admit(`2001:db8:1:${host}::1`, 0);
  expect(admission.admit('2001:db8:1:ffff::1', 0)).toBe('refused-address');
  expect(admission.admit('2001:db8:2::1', 0)).toBeTypeOf('function');
  for (let i = 0; i < 9; i++) expect(admission.admit('127.0.0.1', 0)).toBeTypeOf('function');
  expect(admission.admit('127.0.0.1', 0)).toBe('refused-global');
  expect(admission.admit('198.51.100.1', 100)).toBe('refused-total');
});
