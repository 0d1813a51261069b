import { z } from 'zod';

/** `update` stands for rows whose former content is gone. */
export const CHANGE_KINDS = ['delete', 'update', 'truncate', 'drop'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** As PostgreSQL keeps it. */
const name = z.string().min(1).max(63);

/** A search for what took rows away: the same one is sent until it has found. */
export const changeQuery = z.object({
  /** Chosen by the caller, another for each search: the same call with the same one asks for what has become of it. */
  search: z.string().min(8).max(64),
  /** Without a schema it is looked for in all. Null: all tables. */
  table: z.object({ schema: name.nullable(), name }).nullable(),
  kinds: z.array(z.enum(CHANGE_KINDS)).min(1),
  /** ISO 8601 with a zone: what was committed then or later. Null: all that can be restored. */
  since: z.string().nullable(),
});
export type ChangeQuery = z.infer<typeof changeQuery>;

/** What one committed transaction did to one table. */
const tableChange = z.object({
  kind: z.enum(CHANGE_KINDS),
  /** What it was called before that; null where it is not known. */
  table: z.object({ schema: z.string(), name: z.string() }).nullable(),
  /** The number of the file of a table that is not known. */
  file: z.number().nullable(),
  /** Null for kinds that take all rows. */
  rows: z.number().nullable(),
  /** PostgreSQL's number of the transaction. */
  transaction: z.number(),
  /** ISO 8601 in UTC to the microsecond. */
  committedAt: z.string(),
  /** The latest moment without it: ISO 8601 in UTC to the microsecond. */
  restoreTo: z.string(),
  /** True when a transaction that committed before it bears the same time or a later one: the restore may leave that one out, too. */
  isCrowded: z.boolean(),
});
export type TableChange = z.infer<typeof tableChange>;

const foundChanges = z.object({
  /** What was read: both ISO 8601 in UTC to the microsecond. */
  from: z.string(),
  to: z.string(),
  /** In the order of their commits; the newest ones, where there are too many. */
  changes: z.array(tableChange),
  /** How many older ones there are beyond those. */
  omitted: z.number(),
  /** Sentences on what could not be seen. */
  notes: z.array(z.string()),
});
export type FoundChanges = z.infer<typeof foundChanges>;

/** How far a search has come, or what it has found. */
export const changeSearch = z.discriminatedUnion('state', [
  z.object({ state: z.literal('reading'), segments: z.object({ read: z.number(), total: z.number() }) }),
  z.object({ state: z.literal('found'), found: foundChanges }),
]);
export type ChangeSearch = z.infer<typeof changeSearch>;
