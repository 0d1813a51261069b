import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { describeDifferences, Ledger } from '../soak/ledger.mjs';

const isFull = process.env.BOREALIS_TEST === 'full';
const SOAK = resolve(import.meta.dirname, '../scripts/soak.mjs');
const MINUTES = 60_000;

test('a soak finds every row that is missing, twice there, or there too early, and allows those on their way', () => {
  let time = 0;
  const ledger = new Ledger(() => time);
  const at = (moment: number, act: () => void) => {
    time = moment;
    act();
  };
  at(10, () => ledger.begin(0));
  at(20, () => ledger.acknowledge(0, 0));
  at(30, () => ledger.begin(0));
  at(40, () => ledger.acknowledge(0, 1));
  at(50, () => ledger.begin(0));
  const compare = (rows: number[], moment: number, latest?: number) =>
    describeDifferences(ledger.compare(new Map([[0, rows]]), moment, latest), 'it');
  for (const rows of [[0], [0, 1]]) expect(compare(rows, 35)).toEqual([]);
  for (const rows of [
    [0, 1],
    [0, 1, 2],
  ])
    expect(compare(rows, 60)).toEqual([]);
  expect(compare([1], 60)).toEqual(['it: 1 acknowledged rows are missing (0/0)']);
  expect(compare([0, 0, 1], 60)).toEqual(['it: 1 rows are there twice (0/0)']);
  expect(compare([0, 1], 25)).toEqual(['it: 1 rows are there that should not be (0/1)']);
  expect(compare([0, 1, 2], 25, 60)).toEqual([]);
  expect(compare([0, 1, 7], 60)).toEqual(['it: 1 rows are there that should not be (0/7)']);
  expect(describeDifferences(ledger.compare(new Map([[3, [0]]]), 5), 'it')).toHaveLength(1);
  expect(ledger.acknowledged).toBe(2);
});

test.skipIf(!isFull || process.platform !== 'linux')(
  'no acknowledged row and no session is lost by failovers, an upgrade and a plan change (in the full suite, on Linux)',
  async () => {
    const args = [
      '--failovers',
      '2',
      '--upgrades',
      '1',
      '--plan-changes',
      '1',
      '--major-upgrades',
      '0',
      '--restore-every',
      '2',
      '--seed',
      '5',
    ];
    const child = spawn(process.execPath, [SOAK, ...args, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    expect(status, stderr).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ rounds: 4, restores: 4, violations: [], failoverMilliseconds: { n: 2 } });
    expect(report.acknowledgedRows).toBeGreaterThan(0);
  },
  15 * MINUTES,
);
