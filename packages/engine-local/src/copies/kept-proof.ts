import type { BaseProof } from '@borealis/engine';
import { z } from 'zod';

/** What the record keeps of the last proof of a base. */
export const keptProof = z.object({
  at: z.string(),
  seconds: z.number(),
  base: z.string(),
  upTo: z.string(),
  bytes: z.number(),
  failure: z.string().nullable(),
  checked: z.object({ databases: z.number(), tables: z.number(), rows: z.number(), indexes: z.number() }),
  /** The one that has a commit later than `upTo`. */
  segment: z.string(),
});
export type KeptProof = z.infer<typeof keptProof>;

/** What is told of it. */
export function receiptOf({ segment: _, ...proof }: KeptProof): BaseProof {
  return proof;
}
