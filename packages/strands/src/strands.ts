import { hostname } from 'node:os';
import type { Pool } from 'pg';
import { claimOne } from './claim.js';
import * as requests from './requests.js';
import { migrate } from './schema.js';
import { describe, list } from './status.js';
import type { AnyKind, Queryable, StepResult, StrandKind, StrandOptions, StrandStatus } from './types.js';
import { Worker } from './worker.js';

/** Durable workflows in one database; SPEC.md says what they guarantee. */
export interface Strands {
  /** Brings the schema `strands` up to date; safe to call from several processes at once. */
  migrate(): Promise<void>;
  /** Makes the strand in the caller's transaction unless there is one of this id; true when it was made. */
  spawn<Label extends string, Frame>(
    db: Queryable,
    kind: StrandKind<Label, Frame>,
    id: string,
    frame: NoInfer<Frame>,
  ): Promise<boolean>;
  /** Raises a signal in the caller's transaction; false when there is no such strand. Touch rows of your own before, not after. */
  signal(db: Queryable, id: string, name: string): Promise<boolean>;
  /** Claims and runs strands from now on. */
  start(): void;
  /** Claims no more and resolves when the running labels have recorded their outcome. */
  stop(): Promise<void>;
  /** Runs one label of one strand now, due or not; null when it is gone, parked or held by a worker. */
  step(id: string): Promise<StepResult | null>;
  /** Where the strand stands; null when it is done or never was. */
  describe(id: string): Promise<StrandStatus | null>;
  /** Wakes a parked strand; false when it is not parked. */
  retry(id: string): Promise<boolean>;
  /** All strands, parked ones first. */
  list(): Promise<StrandStatus[]>;
}

/** Binds workflows to a database. Nothing runs before `start` or `step`; the pool stays the caller's to end, after `stop`. */
export function createStrands(pool: Pool, kinds: readonly AnyKind[], options: StrandOptions = {}): Strands {
  const byName = index(kinds);
  const settings = withDefaults(options);
  let worker = new Worker(pool, byName, settings);
  return {
    migrate: () => migrate(pool),
    spawn: async (db, kind, id, frame) => requests.spawn(db, registered(byName, kind.name), id, frame),
    signal: requests.signal,
    start: () => worker.start(),
    stop: async () => {
      await worker.stop();
      worker = new Worker(pool, byName, settings);
    },
    step: async (id) => {
      const claim = await claimOne(pool, { worker: settings.workerId, leaseSeconds: settings.leaseSeconds, id });
      return claim && worker.run(claim);
    },
    describe: (id) => describe(pool, byName, id),
    retry: (id) => requests.retry(pool, id),
    list: () => list(pool, byName),
  };
}

function withDefaults(options: StrandOptions): Required<StrandOptions> {
  return {
    workerId: `${hostname()}:${process.pid}`,
    concurrency: 8,
    leaseSeconds: 15,
    pollSeconds: 2,
    logDays: 30,
    onAlert: () => {},
    log: () => {},
    ...options,
  };
}

function index(kinds: readonly AnyKind[]): Map<string, AnyKind> {
  const byName = new Map(kinds.map((kind) => [kind.name, kind]));
  if (byName.size !== kinds.length) throw new Error('Two kinds of strands have the same name.');
  return byName;
}

function registered(kinds: Map<string, AnyKind>, name: string): AnyKind {
  const kind = kinds.get(name);
  if (!kind) throw new Error(`The kind "${name}" was not given to createStrands, so nothing would run it.`);
  return kind;
}
