/** `update` stands for rows whose former content is gone. */
export const CHANGE_KINDS = ['delete', 'update', 'truncate', 'drop'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

export interface ChangeQuery {
  /** Chosen by the caller, another for each search: the same call with the same one asks for what has become of it. */
  search: string;
  /** As PostgreSQL keeps the name; without a schema it is looked for in all. Null: all tables. */
  table: { schema: string | null; name: string } | null;
  kinds: ChangeKind[];
  /** ISO 8601 with a zone: what was committed then or later. Null: all that can be restored. */
  since: string | null;
}

export type ChangeSearch =
  | { state: 'reading'; segments: { read: number; total: number } }
  | { state: 'found'; found: FoundChanges };

export interface FoundChanges {
  /** What was read: both ISO 8601 in UTC to the microsecond. */
  from: string;
  to: string;
  /** In the order of their commits; the newest ones, where there are too many. */
  changes: TableChange[];
  /** How many older ones there are beyond those. */
  omitted: number;
  /** Sentences on what could not be seen. */
  notes: string[];
}

/** What one committed transaction did to one table. */
export interface TableChange {
  kind: ChangeKind;
  /** What it was called before that; null where it is not known. */
  table: { schema: string; name: string } | null;
  /** The number of the file of a table that is not known. */
  file: number | null;
  /** Null for kinds that take all rows. */
  rows: number | null;
  /** PostgreSQL's number of the transaction. */
  transaction: number;
  /** ISO 8601 in UTC to the microsecond. */
  committedAt: string;
  /** The latest moment without it, for `ClusterOrigin.moment`. */
  restoreTo: string;
  /** True when a transaction that committed before it bears the same time or a later one: the restore may leave that one out, too. */
  isCrowded: boolean;
}
