import { POSTGRES_MAJORS } from '@borealis/contract';
import { z } from 'zod';

/**
 * `rehearsing`: on copies of the data. `copying`: the next server is made and fed. `switching`: it has everything, and takes over in a moment in
 * which sessions can be held. `concluding`: it has taken over, as the record says. `undoing`: it is removed, or, on a way back, left as it was.
 */
const STAGES = ['rehearsing', 'copying', 'switching', 'concluding', 'undoing'] as const;

/** What became of the sessions at the cut-over. */
const sessionsMoved = z.object({
  pauseMs: z.number().nullable(),
  kept: z.number().nullable(),
  closed: z.record(z.string(), z.number()),
});

/** A server of another major is to take the cluster over, or has just done so. */
export const majorMove = z.object({
  /** Who asked for it chose it. */
  request: z.string(),
  /** `revert`: to the server from before the last upgrade, which is there and fed. */
  kind: z.enum(['upgrade', 'revert']),
  /** Where that server is. */
  era: z.number().int().min(1),
  node: z.number().int().min(1),
  major: z.enum(POSTGRES_MAJORS),
  /** PostgreSQL's own numbers. */
  from: z.string(),
  to: z.string(),
  stage: z.enum(STAGES),
  patienceSeconds: z.number(),
  /** From then on what cannot be held is closed; null before it is waited for. */
  closeAfter: z.iso.datetime().nullable(),
  /** Why it is undone; empty: somebody cancelled it. */
  findings: z.array(z.string()),
  /** Null before the cut-over, and after one in which the keeper died. */
  sessions: sessionsMoved.nullable(),
});
export type MajorMove = z.infer<typeof majorMove>;

/** What came of the last one. */
export const majorOutcome = sessionsMoved.extend({
  request: z.string(),
  kind: z.enum(['upgrade', 'revert']),
  from: z.string(),
  to: z.string(),
  result: z.enum(['done', 'failed', 'cancelled']),
  findings: z.array(z.string()),
});
export type MajorOutcome = z.infer<typeof majorOutcome>;

/** The primary from before the last upgrade. It is closed to all but the keeper and gets what is written, so that there is a way back. */
export const formerServer = z.object({
  era: z.number().int().min(1),
  node: z.number().int().min(1),
  major: z.enum(POSTGRES_MAJORS),
  version: z.string(),
  /** Then it is removed. */
  keptUntil: z.iso.datetime(),
  /** Why it is of no use any more; null: there is a way back. */
  useless: z.string().nullable(),
});
export type FormerServer = z.infer<typeof formerServer>;
