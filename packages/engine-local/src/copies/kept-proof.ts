import { type BaseReceipt, baseReceipt } from '@borealis/contract';
import { z } from 'zod';

/** What the record keeps of the last proof of a base. */
export const keptProof = baseReceipt.extend({
  /** The one that has a commit later than `upTo`. */
  segment: z.string(),
});
export type KeptProof = z.infer<typeof keptProof>;

/** What is told of it. */
export function receiptOf({ segment: _, ...proof }: KeptProof): BaseReceipt {
  return proof;
}
