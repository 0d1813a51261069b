import { expect, test } from 'vitest';
import { forEachAtOnce, Lanes } from '../../src/postgres/move/at-once.js';

/** Work that ends when it is told to, and says when it has begun. */
function stage(lanes: Lanes) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const enter = (name: string, urgent = () => false) =>
    lanes.run(() => {
      begun.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    }, urgent);
  return { begun, enter, end: (name: string) => ends.get(name)!() };
}

test('eight are at work, and of those that wait who has become urgent comes next', async () => {
  const { begun, enter, end } = stage(new Lanes());
  const first = Array.from({ length: 8 }, (_, i) => `first ${i}`);
  const all = first.map((name) => enter(name));
  let hurry = false;
  all.push(
    enter('patient'),
    enter('hurried', () => hurry),
    enter('last'),
  );
  await Promise.resolve();
  expect(begun).toEqual(first);
  hurry = true;
  end('first 3');
  await expect.poll(() => begun).toEqual([...first, 'hurried']);
  for (const name of first.filter((one) => one !== 'first 3')) end(name);
  await expect.poll(() => begun).toEqual([...first, 'hurried', 'patient', 'last']);
  for (const name of ['hurried', 'patient', 'last']) end(name);
  await Promise.all(all);
});

test('work that fails leaves its lane to the next', async () => {
  const lanes = new Lanes();
  const fail = () => Promise.reject(new Error('not this one'));
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => lanes.run(fail)));
  expect(results.every(({ status }) => status === 'rejected')).toBe(true);
  expect(await lanes.run(() => Promise.resolve('the next'))).toBe('the next');
});

test('of many items those that are urgent from the beginning come first', async () => {
  const begun: number[] = [];
  const items = Array.from({ length: 30 }, (_, i) => i);
  await forEachAtOnce(
    items,
    async (item) => void begun.push(item),
    (item) => item % 10 === 9,
  );
  expect(begun.slice(0, 3)).toEqual([9, 19, 29]);
  expect([...begun].sort((a, b) => a - b)).toEqual(items);
});
