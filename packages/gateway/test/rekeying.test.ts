import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Rekeying } from '../src/ssh/rekeying.js';

const GIB = 1024 ** 3;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function make() {
  const state = { running: false, started: 0, cuts: [] as string[] };
  const rekeying = new Rekeying({
    start: () => {
      state.started++;
      state.running = true;
    },
    running: () => state.running,
    cut: (reason) => state.cuts.push(reason),
  });
  const finish = () => {
    state.running = false;
    rekeying.finished();
  };
  finish();
  return { rekeying, state, finish };
}

test('keys are changed after 1 GiB and after an hour', () => {
  const { rekeying, state, finish } = make();
  rekeying.moved(GIB - 1);
  expect(state.started).toBe(0);
  rekeying.moved(1);
  expect(state.started).toBe(1);
  finish();
  vi.advanceTimersByTime(3_600_000);
  expect(state.started).toBe(2);
  rekeying.stop();
});

test('an exchange that is not finished in 30 s is cut, whoever began it', () => {
  for (const ours of [true, false]) {
    const { rekeying, state } = make();
    if (ours) rekeying.moved(GIB);
    else {
      state.running = true;
      rekeying.watch();
    }
    vi.advanceTimersByTime(29_999);
    expect(state.cuts).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(state.cuts).toEqual(['rekey-stalled']);
    rekeying.stop();
  }
});

test('exchanges in a row without data are a storm; with data, or hours apart, they are not', () => {
  const storm = make();
  for (let i = 0; i < 21; i++) storm.finish();
  expect(storm.state.cuts).toEqual(['rekey-storm']);
  const busy = make();
  const idle = make();
  for (let i = 0; i < 100; i++) {
    busy.rekeying.moved(2 * 1024 * 1024);
    busy.finish();
    vi.advanceTimersByTime(3_600_000);
    idle.finish();
  }
  expect([...busy.state.cuts, ...idle.state.cuts]).not.toContain('rekey-storm');
  for (const one of [storm, busy, idle]) one.rekeying.stop();
});
