import type { ClientBase } from 'pg';
import type { z } from 'zod';

/** What a label decides. Row writes given to it commit together with it, or not at all. */
export type Outcome<Label extends string, Frame> =
  | { kind: 'go'; label: Label; frame?: Partial<Frame>; write?: RowWrite }
  | { kind: 'nap'; seconds: number; frame?: Partial<Frame>; write?: RowWrite }
  | { kind: 'done'; write?: RowWrite };

/** Runs inside the transaction that records the outcome: statements only, never work outside the database. */
export type RowWrite = (db: ClientBase) => Promise<void>;

/** What a label is given. */
export interface LabelContext<Frame> {
  strandId: string;
  frame: Frame;
  /** Failures of this label in a row so far, crashes of the worker included; 0 at the first try. */
  tries: number;
  /** Names of signals raised and not yet consumed, oldest first. */
  signals: readonly string[];
  /** Aborts when the lease is lost: stop, whatever you decide will be refused. */
  lost: AbortSignal;
  /** Marks a signal as handled: it is deleted in the transaction that records the outcome. */
  consume(signal: string): void;
}

export type LabelFunction<Label extends string, Frame> = (context: LabelContext<Frame>) => Promise<Outcome<Label, Frame>>;

/** A label with the sentence that people read while it runs. */
export interface LabelDefinition<Label extends string, Frame> {
  sentence: string;
  run: LabelFunction<Label, Frame>;
  /** Alert the operator when the label is not left within this time. */
  deadlineSeconds?: number;
}

/** A workflow: its name, the shape of its frame, its labels and where it starts. */
export interface StrandKind<Label extends string, Frame> {
  name: string;
  frame: z.ZodType<Frame>;
  start: NoInfer<Label>;
  /** Where `destroy` leads from any label, a parked one too. Within that label and those after it `destroy` is not raised again. */
  destroy?: NoInfer<Label>;
  /** Labels that belong to the way out, so that `destroy` does not restart them. */
  destroying?: readonly NoInfer<Label>[];
  labels: { [L in Label]: LabelDefinition<Label, Frame> };
}
