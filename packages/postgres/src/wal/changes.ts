import type { TableName } from './catalogue.js';

export const CHANGE_KINDS = ['delete', 'update', 'truncate', 'drop'] as const;
/** `update` stands for rows whose former content is gone. */
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** What one committed transaction did to one table. */
export interface FoundChange {
  kind: ChangeKind;
  /** What it was called before that; null where the log does not tell. */
  table: TableName | null;
  /** The number of the file of a table that is not known; null for one that is. */
  file: number | null;
  /** Null for kinds that take all rows. */
  rows: number | null;
  transaction: number;
  /** Microseconds since 1970: a restore to a moment before has the rows. */
  committedAt: number;
  /** True when a transaction before it in the log bears this time or a later one: a restore to just before may leave that one out, too. */
  isCrowded: boolean;
}

/** Why little is found of a table: its rows are in its partitions, or nothing of it is in the log. */
export type TableHint = 'partitioned' | 'unlogged';

/** Which changes are wanted. */
export interface ChangeFilter {
  /** A table by its name; null for the schema: in any one. Null: all tables. */
  table: { schema: string | null; name: string } | null;
  kinds: readonly ChangeKind[];
  /** Microseconds since 1970: those that were committed then or later. */
  since: number;
}

/** A list that keeps the newest only. */
export class Newest<T> {
  #items: T[] = [];
  omitted = 0;

  constructor(private readonly most: number) {}

  add(item: T): void {
    this.#items.push(item);
    // Now and then, since it takes a copy.
    if (this.#items.length >= 2 * this.most) this.cut();
  }

  /** Oldest first. */
  get items(): readonly T[] {
    this.cut();
    return this.#items;
  }

  private cut(): void {
    this.omitted += Math.max(0, this.#items.length - this.most);
    this.#items = this.#items.slice(-this.most);
  }
}
