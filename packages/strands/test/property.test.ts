import fc from 'fast-check';
import type { Pool } from 'pg';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { type Claim, claimOne } from '../src/claim.js';
import { defineStrand, done, go, nap, type Strands } from '../src/index.js';
import { runClaim } from '../src/run.js';
import { type Harness, useDatabase } from './support/harness.js';

const fresh = useDatabase();
const never = new AbortController().signal;
const nothing = async () => {};

/** What the labels did outside the database, as an engine would see it. */
interface World {
  clusters: Set<string>;
  flaky: boolean;
  /** Happens inside a label, after it has read its signals. */
  meanwhile: () => Promise<unknown>;
}

const frame = z.object({ wanted: z.number() });
const LABELS = ['create', 'serve', 'handle', 'remove', 'removed'] as const;

// `rotate` raises `wanted` in the caller's transaction; `handle` makes the world follow it.
const workflow = (world: World) =>
  defineStrand<z.infer<typeof frame>>()({
    name: 'world',
    frame,
    start: 'create',
    destroy: 'remove',
    destroying: ['removed'],
    labels: {
      create: {
        sentence: 'Creating',
        maxTries: 2,
        run: async ({ strandId }) => {
          world.clusters.add(strandId);
          await world.meanwhile();
          if (world.flaky) throw new Error('flaky');
          return go('serve', {}, async (db) => void (await db.query(`update state set phase = 'up'`)));
        },
      },
      serve: {
        sentence: 'Serving',
        run: async ({ signals }) => {
          await world.meanwhile();
          return signals.includes('rotate') ? go('handle') : nap(3600);
        },
      },
      handle: {
        sentence: 'Handling',
        run: async ({ consume }) => {
          consume('rotate');
          await world.meanwhile();
          return go('serve', {}, async (db) => void (await db.query('update state set rotated = wanted')));
        },
      },
      remove: {
        sentence: 'Removing',
        run: async ({ strandId }) => {
          world.clusters.delete(strandId);
          await world.meanwhile();
          return go('removed');
        },
      },
      removed: {
        sentence: 'Forgetting',
        run: async () => done(async (db) => void (await db.query(`update state set phase = 'gone'`))),
      },
    },
  });

// Each command is one thing that the outside, a worker or fate can do, in any order.
const command = fc.oneof(
  { weight: 6, arbitrary: fc.constant('step' as const) },
  { weight: 2, arbitrary: fc.constant('rotate' as const) },
  { weight: 1, arbitrary: fc.constant('destroy' as const) },
  { weight: 2, arbitrary: fc.constant('crash before work' as const) },
  { weight: 2, arbitrary: fc.constant('crash before commit' as const) },
  { weight: 2, arbitrary: fc.constant('rotate in mid-label' as const) },
  { weight: 1, arbitrary: fc.constant('destroy in mid-label' as const) },
  { weight: 1, arbitrary: fc.constant('zombie' as const) },
  { weight: 1, arbitrary: fc.constant('flaky' as const) },
  { weight: 1, arbitrary: fc.constant('retry' as const) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

async function rotate(pool: Pool, strands: Strands) {
  const client = await pool.connect();
  await client.query('begin; update state set wanted = wanted + 1');
  await strands.signal(client, 's', 'rotate');
  await client.query('commit');
  client.release();
}

const claimNow = async ({ pool, timePasses }: Harness, worker: string): Promise<Claim | null> => {
  await timePasses('s');
  return claimOne(pool, { worker, leaseSeconds: 60, id: 's' });
};

/** Runs a claim against a database that fails at the first write of the outcome: a crash after the work, before the commit. */
async function crashBeforeCommit(harness: Harness, kind: ReturnType<typeof workflow>, claim: Claim) {
  const dead = new AbortController();
  const refusing = new Proxy(harness.pool, {
    get: (pool, key) =>
      key === 'connect'
        ? async () => {
            dead.abort();
            throw new Error('killed here');
          }
        : Reflect.get(pool, key, pool).bind?.(pool),
  });
  expect(await runClaim(refusing, 'dead', kind, claim, dead.signal)).toMatchObject({ outcome: 'lost' });
}

const isDestroy = (what: Command) => what === 'destroy' || what === 'destroy in mid-label';

async function apply(harness: Harness, strands: Strands, world: World, what: Command): Promise<void> {
  if (what === 'rotate') await rotate(harness.pool, strands);
  else if (what === 'destroy') await strands.signal(harness.pool, 's', 'destroy');
  else if (what === 'flaky') world.flaky = !world.flaky;
  else if (what === 'retry') await strands.retry('s');
  else await applyToClaim(harness, strands, world, what);
}

async function applyToClaim(harness: Harness, strands: Strands, world: World, what: Command): Promise<void> {
  const { pool } = harness;
  const kind = workflow(world);
  const claim = await claimNow(harness, 'one');
  if (!claim) {
    // Parked or gone: what was meant for the middle of a label comes from outside.
    if (what === 'destroy in mid-label') await strands.signal(pool, 's', 'destroy');
    return;
  }
  if (what === 'crash before work') return;
  if (what === 'crash before commit') return crashBeforeCommit(harness, kind, claim);
  if (what === 'zombie') {
    const second = await claimNow(harness, 'two');
    await runClaim(pool, 'two', kind, second!, never);
    expect(await runClaim(pool, 'one', kind, claim, never)).toMatchObject({ outcome: 'lost' });
    return;
  }
  let raised = false;
  world.meanwhile = async () => {
    raised = true;
    if (what === 'rotate in mid-label') await rotate(pool, strands);
    if (what === 'destroy in mid-label') await strands.signal(pool, 's', 'destroy');
  };
  await runClaim(pool, 'one', kind, claim, never);
  if (!raised) await world.meanwhile();
  world.meanwhile = nothing;
}

/** As time and an operator would end it: what a crash loop had parked is woken once. */
async function settleDown(harness: Harness, strands: Strands, world: World) {
  await runUntilNothingIsDue(harness, world);
  const status = await strands.describe('s');
  if (!status?.parked) return;
  expect(status.error).toContain('worker died');
  await strands.retry('s');
  await runUntilNothingIsDue(harness, world);
}

/** Naps are not cut short, so a slept-over signal would show. */
async function runUntilNothingIsDue({ pool }: Harness, world: World) {
  await pool.query(`update strands.strand set lease_until = now() where lease is not null`);
  for (let n = 0; n < 60; n++) {
    const { rows } = await pool.query(
      `update strands.strand set run_at = now() where parked_at is null and (run_at <= now() or tries > 0) returning id`,
    );
    if (rows.length === 0) return;
    const claim = await claimOne(pool, { worker: 'last', leaseSeconds: 60, id: 's' });
    if (claim) await runClaim(pool, 'last', workflow(world), claim, never);
  }
  throw new Error('never settles');
}

test('whatever the order of signals, crashes and zombies, the world ends as it was wanted', async () => {
  const harness = await fresh();
  const { pool, worker, log } = harness;
  await pool.query(`create table state as select 'new' as phase, 0 as wanted, 0 as rotated`);
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
      await pool.query(`truncate strands.strand, strands.signal, strands.strand_log;
        update state set phase = 'new', wanted = 0, rotated = 0`);
      const world: World = { clusters: new Set(), flaky: false, meanwhile: nothing };
      const strands = worker([workflow(world)]);
      await strands.spawn(pool, workflow(world), 's', { wanted: 0 });
      for (const what of commands) await apply(harness, strands, world, what);
      const destroyed = commands.some(isDestroy);
      world.flaky = false;
      if (!destroyed) await strands.retry('s');
      await settleDown(harness, strands, world);

      const { rows } = await pool.query('select * from state');
      const status = await strands.describe('s');
      if (destroyed) {
        // I3: destroy won, whatever happened before and after, and nothing is left outside.
        expect([status, rows[0].phase, [...world.clusters]]).toEqual([null, 'gone', []]);
      } else {
        // I2, I5: no signal was slept over, every crash was recovered from.
        expect(status).toMatchObject({ label: 'serve', parked: false, signals: [] });
        expect([rows[0].phase, rows[0].rotated]).toEqual(['up', rows[0].wanted]);
      }
      // I1, I4: the log is one unbroken path: every recorded outcome starts at the label where the last one led.
      const lines = await log('s');
      let at: string | null = 'create';
      for (const line of lines) {
        expect(line.label).toBe(at);
        at = line.outcome === 'failed' || line.outcome === 'parked' ? at : line.next_label;
      }
      expect(at).toBe(status?.label ?? null);
      expect(lines.every((line) => (LABELS as readonly string[]).includes(line.label))).toBe(true);
    }),
    { numRuns: Number(process.env.BOREALIS_PROPERTY_RUNS ?? 60) },
  );
});
