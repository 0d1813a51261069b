import { expect, test, vi } from 'vitest';
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

test('eight are at work, three of them where nobody waits, and who has become urgent comes next', async () => {
  const { begun, enter, end } = stage(new Lanes());
  const names = (word: string, count: number) => Array.from({ length: count }, (_, i) => `${word} ${i}`);
  let hurry = false;
  const all = [
    ...names('patient', 5).map((name) => enter(name)),
    enter('hurried', () => hurry),
    ...names('urgent', 6).map((name) => enter(name, () => true)),
  ];
  const first = [...names('patient', 3), ...names('urgent', 5)];
  await expect.poll(() => begun).toEqual(first);
  hurry = true;
  end('urgent 2');
  await expect.poll(() => begun).toEqual([...first, 'hurried']);
  end('urgent 4');
  await expect.poll(() => begun.at(-1)).toBe('urgent 5');
  end('urgent 5');
  end('patient 1');
  await expect.poll(() => begun.at(-1)).toBe('patient 3');
  end('patient 0');
  await expect.poll(() => begun.at(-1)).toBe('patient 4');
  for (const name of ['urgent 0', 'urgent 1', 'urgent 3', 'hurried', 'patient 2', 'patient 3', 'patient 4']) end(name);
  await Promise.all(all);
  expect(begun).toHaveLength(12);
});

test('work that fails leaves its lane to the next', async () => {
  const lanes = new Lanes();
  const fail = () => Promise.reject(new Error('not this one'));
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => lanes.run(fail)));
  expect(results.every(({ status }) => status === 'rejected')).toBe(true);
  expect(await lanes.run(() => Promise.resolve('the next'))).toBe('the next');
});

test('work that waits for something else makes room for the next', async () => {
  vi.useFakeTimers();
  try {
    const { begun, enter, end } = stage(new Lanes());
    const names = ['stuck', 'held up', 'blocked', 'next', 'last'];
    const all = names.map((name) => enter(name));
    await vi.advanceTimersByTimeAsync(200);
    expect(begun).toEqual(names.slice(0, 3));
    end('blocked');
    await vi.advanceTimersByTimeAsync(0);
    expect(begun).toEqual(names.slice(0, 4));
    await vi.advanceTimersByTimeAsync(100);
    expect(begun).toEqual(names);
    for (const name of names) end(name);
    await Promise.all(all);
  } finally {
    vi.useRealTimers();
  }
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
