import { z } from 'zod';

/** What `find-change` looks for: KINDS are found unless others are asked for. */
export const ALL_KINDS = ['delete', 'truncate', 'drop', 'update'] as const;
export const KINDS: readonly ChangeKind[] = ['delete', 'truncate', 'drop'];
export type ChangeKind = (typeof ALL_KINDS)[number];

/** A search, as the service takes it; the same one is sent until it has found. */
export interface ChangeQuery {
  search: string;
  table: { schema: string | null; name: string } | null;
  kinds: readonly ChangeKind[];
  since: string | null;
}

const change = z.object({
  kind: z.enum(ALL_KINDS),
  table: z.object({ schema: z.string(), name: z.string() }).nullable(),
  file: z.number().nullable(),
  rows: z.number().nullable(),
  transaction: z.number(),
  committedAt: z.string(),
  restoreTo: z.string(),
  isCrowded: z.boolean(),
});
export type Change = z.infer<typeof change>;

const foundChanges = z.object({
  from: z.string(),
  to: z.string(),
  changes: z.array(change),
  omitted: z.number(),
  notes: z.array(z.string()),
});
export type FoundChanges = z.infer<typeof foundChanges>;

export const changeSearch = z.discriminatedUnion('state', [
  z.object({ state: z.literal('reading'), segments: z.object({ read: z.number(), total: z.number() }) }),
  z.object({ state: z.literal('found'), found: foundChanges }),
]);
export type ChangeSearch = z.infer<typeof changeSearch>;
