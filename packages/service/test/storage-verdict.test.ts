import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextLook, STORAGE_POLICY } from '../src/storage/storage-policy.js';
import { judge, type StorageFacts } from '../src/storage/verdict.js';

const LIMIT = 2 ** 30;
const facts = fc.record({
  status: fc.constantFrom('ok', 'proximity-warning', 'violating', 'restricted'),
  reason: fc.constantFrom('deadline', 'excess', 'disk'),
  usage: fc.nat({ max: 2 * LIMIT }),
  limit: fc.constant(LIMIT),
  isOverdue: fc.boolean(),
  isWindowOver: fc.boolean(),
  isDiskAmple: fc.boolean(),
}) as fc.Arbitrary<StorageFacts>;

test('only who is over the limit loses write access, and what is far over it never keeps it', () => {
  fc.assert(
    fc.property(facts, (given) => {
      const verdict = judge(given, STORAGE_POLICY);
      if (given.status === 'restricted') return;
      if (verdict?.to === 'restricted') expect(given.usage).toBeGreaterThanOrEqual(LIMIT * STORAGE_POLICY.violateEnd);
      if (given.usage >= LIMIT * STORAGE_POLICY.excessAt) expect(verdict?.to).toBe('restricted');
    }),
    { numRuns: 2_000 },
  );
});

test('a size that does not change leads to one decision at the most', () => {
  fc.assert(
    fc.property(facts, (given) => {
      const verdict = judge(given, STORAGE_POLICY);
      if (!verdict) return;
      const reason = 'reason' in verdict ? verdict.reason : verdict.to === 'restricted' ? given.reason : null;
      const after = { ...given, status: verdict.to, reason, isOverdue: false, isWindowOver: false };
      const second = judge(after, STORAGE_POLICY);
      // A disk that has room again gives an add-on back that is far over its own limit.
      if (second) expect(given.reason === 'disk' && given.usage >= LIMIT * STORAGE_POLICY.excessAt).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test('the nearer the limit, the sooner the next look, between fifteen seconds and five minutes', () => {
  const looks = [0, 0.5, 0.9, 0.999].map((share) => nextLook(share * 10 * LIMIT, 10 * LIMIT, STORAGE_POLICY));
  expect(looks).toEqual([...looks].sort((left, right) => right - left));
  expect([looks[0], looks.at(-1)]).toEqual([300, 15]);
});
