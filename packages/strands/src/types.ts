import type { ClientBase } from 'pg';
import type { z } from 'zod';

/** What a label decides. Row writes given to it commit together with it, or not at all. */
export type Outcome<Label extends string, Frame> =
  | { kind: 'go'; label: Label; frame?: Partial<Frame>; write?: RowWrite }
  | { kind: 'nap'; seconds: number; frame?: Partial<Frame>; write?: RowWrite }
  | { kind: 'done'; write?: RowWrite };

/** Runs inside the transaction that records the outcome, maybe more than once: statements only, never work outside the database. */
export type RowWrite = (db: ClientBase) => Promise<void>;

/** What a label is given. */
export interface LabelContext<Frame> {
  strandId: string;
  /** The label that runs. */
  label: string;
  frame: Frame;
  /** Failures of this label in a row so far, crashes of the worker included; 0 at the first try. */
  tries: number;
  /** Names of signals raised and not yet consumed, oldest first. */
  signals: readonly string[];
  /** Aborts when the lease is lost: stop, whatever you decide will be refused. */
  lost: AbortSignal;
  /** Marks a signal as handled: it is deleted in the transaction that records the outcome. One raised again meanwhile stays. */
  consume(signal: string): void;
}

/** One step of a workflow: does work outside the database (at least once, so adopt-or-create), then decides. */
export type LabelFunction<Label extends string, Frame> = (
  context: LabelContext<Frame>,
) => Promise<Outcome<Label, Frame>>;

/** A label with the sentence that people read while it runs. */
export interface LabelDefinition<Label extends string, Frame> {
  sentence: string;
  run: LabelFunction<Label, Frame>;
  /** Alert the operator when the label is not left within this time, and every hour after that. */
  deadlineSeconds?: number;
  /** Failures in a row after which the strand is parked; default 10 (about three minutes). An error's own `retryable` decides first. */
  maxTries?: number;
}

/** A workflow: its name, the shape of its frame, its labels and where it starts. */
export interface StrandKind<Label extends string, Frame> {
  name: string;
  /** Plain JSON data without transforms: what it parses must parse again after a trip through jsonb. */
  frame: z.ZodType<Frame>;
  start: NoInfer<Label>;
  /** Where `destroy` leads from any label, a parked one too. Within that label and those after it `destroy` is not raised again. */
  destroy?: NoInfer<Label>;
  /** Labels that belong to the way out, so that `destroy` does not restart them. */
  destroying?: readonly NoInfer<Label>[];
  labels: { [L in Label]: LabelDefinition<NoInfer<Label>, Frame> };
}

// biome-ignore lint/suspicious/noExplicitAny: a list of kinds holds frames of different shapes; each is parsed before use
export type AnyKind = StrandKind<any, any>;

/** Anything that runs a statement in the caller's transaction: a pg client, or an adapter of a query builder's. */
export interface Queryable {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }>;
}

/** Told to the operator: a strand was parked, or stays in a label longer than its deadline. */
export interface Alert {
  id: string;
  kind: string;
  label: string;
  reason: 'parked' | 'deadline';
  error: string | null;
  since: Date;
}

/** Settings of one worker; every one has a default. */
export interface StrandOptions {
  /** Name of this worker in the log; need not be unique, correctness never depends on it. */
  workerId?: string;
  /** Labels that run at the same time; default 8. */
  concurrency?: number;
  /** How long a dead worker's strand stays untouched; default 15. Extended every third of it while the label runs. */
  leaseSeconds?: number;
  /** Longest time between two looks at the table; default 2. */
  pollSeconds?: number;
  /** Days a line of strands.strand_log is kept; default 30. */
  logDays?: number;
  onAlert?: (alert: Alert) => void | Promise<void>;
  log?: (level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>) => void;
}

/** Where a strand stands, for people. */
export interface StrandStatus {
  id: string;
  kind: string;
  label: string;
  sentence: string;
  /** Failures of the label in a row; a try under way is not one. */
  tries: number;
  parked: boolean;
  error: string | null;
  /** When the label was entered. */
  since: Date;
  signals: string[];
}

/** What one step came to; `lost` means that another worker holds the strand and nothing was recorded. */
export interface StepResult {
  label: string;
  outcome: 'go' | 'nap' | 'done' | 'destroy' | 'failed' | 'parked' | 'lost';
  next?: string;
  error?: string;
}
