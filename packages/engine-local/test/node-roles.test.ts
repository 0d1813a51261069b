import { expect, test } from 'vitest';
import type { StandbyRecord } from '../src/cluster/record.js';
import { answers, isDiskWriting } from '../src/nodes/primary-watch.js';
import { plannedStandbys } from '../src/nodes/roles.js';
import { LogSamples } from '../src/nodes/samples.js';
import { SPEC, temporaryDirectory } from './support/home.js';

const planned = (nodes: number, primary: number, standbys: StandbyRecord[]) =>
  plannedStandbys({ spec: { ...SPEC, nodes }, primary, standbys });

test('a node that the plan adds has the first free number and no data; the one of least worth goes first', () => {
  expect(planned(2, 1, [])).toEqual([{ node: 2, role: 'stale' }]);
  expect(planned(3, 2, [{ node: 1, role: 'eligible' }])?.at(-1)).toEqual({ node: 3, role: 'stale' });
  const both: StandbyRecord[] = [
    { node: 1, role: 'following' },
    { node: 3, role: 'eligible' },
  ];
  expect(planned(2, 2, both)).toEqual([{ node: 3, role: 'eligible' }]);
  expect(planned(1, 2, both)).toEqual([]);
  expect(planned(3, 2, both)).toBeNull();
});

test('a lag is the age of the oldest part of the log that is missing', () => {
  const samples = new LogSamples(10_000);
  for (const [at, end] of [
    [1000, 10],
    [2000, 20],
    [3000, 20],
    [4000, 30],
  ])
    samples.add(at!, end!);
  expect(samples.lag(30, 5000)).toBe(0);
  expect(samples.lag(20, 5000)).toBe(1000);
  expect(samples.lag(15, 5000)).toBe(3000);
  samples.clear();
  expect(samples.lag(0, 5000)).toBe(0);
});

test('a disk that writes is told from a server that is not there', async () => {
  const directory = await temporaryDirectory();
  try {
    expect(await isDiskWriting(directory.path)).toBe(true);
    const superuser = { name: 'borealis', password: 'x' };
    // Nobody listens: that is an answer, and a matter for who looks after processes.
    expect(await answers({ socketDirectory: directory.path, port: 5432, superuser } as never, 9000)).toBe(true);
  } finally {
    await directory.remove();
  }
});
