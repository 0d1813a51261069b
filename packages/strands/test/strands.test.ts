import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineStrand, done, go, nap } from '../src/index.js';
import { gate, until, useDatabase } from './support/harness.js';

const fresh = useDatabase();
const frame = z.object({ cluster: z.string().optional(), checks: z.number() });
type Frame = z.infer<typeof frame>;

function addon(overrides: Partial<{ create: () => Promise<void> }> = {}) {
  return defineStrand<Frame>()({
    name: 'addon',
    frame,
    start: 'create',
    destroy: 'remove',
    destroying: ['removed'],
    labels: {
      create: {
        sentence: 'Creating the cluster',
        run: async ({ strandId }) => {
          await overrides.create?.();
          return go('wait', { cluster: `c-${strandId}` });
        },
      },
      wait: {
        sentence: 'Waiting for the database to accept connections',
        run: async ({ frame: { checks } }) => (checks < 2 ? nap(0.02, { checks: checks + 1 }) : go('idle')),
      },
      idle: {
        sentence: 'Available',
        run: async ({ signals, consume }) => {
          if (!signals.includes('rotate')) return nap(3600);
          consume('rotate');
          return go('rotate');
        },
      },
      rotate: { sentence: 'Rotating credentials', run: async () => go('idle') },
      remove: { sentence: 'Removing the cluster', run: async () => go('removed') },
      removed: { sentence: 'Removing what is left', run: async () => done() },
    },
  });
}

test('a strand runs from its start to idle, is told by its sentence, handles a signal, and is gone after destroy', async () => {
  const { pool, worker, log } = await fresh();
  const strands = worker([addon()], { log: (...line) => console.log(JSON.stringify(line)) });
  expect(await strands.spawn(pool, addon(), 'a1', { checks: 0 })).toBe(true);
  expect(await strands.spawn(pool, addon(), 'a1', { checks: 7 })).toBe(false);
  expect(await strands.describe('a1')).toMatchObject({ label: 'create', sentence: 'Creating the cluster', tries: 0 });
  strands.start();
  await until(async () => (await strands.describe('a1'))?.label === 'idle', 'idle');
  const { rows } = await pool.query(`select frame from strands.strand where id = 'a1'`);
  expect(rows[0].frame).toEqual({ cluster: 'c-a1', checks: 2 });
  expect(await strands.signal(pool, 'a1', 'rotate')).toBe(true);
  await until(async () => (await log('a1')).some((line) => line.label === 'rotate'), 'rotated');
  expect(await strands.signal(pool, 'a1', 'destroy')).toBe(true);
  await until(async () => (await strands.describe('a1')) === null, 'gone');
  expect((await log('a1')).map((line) => `${line.label} ${line.outcome}`)).toEqual([
    'create go',
    'wait nap',
    'wait nap',
    'wait go',
    'idle nap',
    'idle go',
    'rotate go',
    'idle nap',
    'idle destroy',
    'remove go',
    'removed done',
  ]);
  expect(await strands.signal(pool, 'a1', 'destroy')).toBe(false);
});
void gate;
