import type { Outcome, RowWrite, StrandKind } from './types.js';

/** Declares a workflow; label names come from the keys of `labels`, so a mistyped one in `go` does not compile. */
export function defineStrand<Frame>() {
  return <Label extends string>(kind: StrandKind<Label, Frame>): StrandKind<Label, Frame> => kind;
}

/** Ends a label: the next one runs as soon as a worker is free. */
export function go<Label extends string, Frame>(
  label: Label,
  frame?: Partial<Frame>,
  write?: RowWrite,
): Outcome<Label, Frame> {
  return { kind: 'go', label, ...(frame && { frame }), ...(write && { write }) };
}

/** Ends a label: the same one runs again after `seconds`, or at once when a signal is raised. */
export function nap<Frame>(seconds: number, frame?: Partial<Frame>, write?: RowWrite): Outcome<never, Frame> {
  return { kind: 'nap', seconds, ...(frame && { frame }), ...(write && { write }) };
}

/** Ends the strand: its row and its signals are deleted, its log stays. */
export function done(write?: RowWrite): Outcome<never, never> {
  return { kind: 'done', ...(write && { write }) };
}
