import type { Named, Relation } from './catalogue-rows.js';

/** What a transaction does to the catalogue; a dropped relation is null where the log does not tell which it is. */
export type CatalogueChange = { order: number } & (
  | { relation: Relation; isNew: boolean }
  | { dropped: Relation | null }
  | { namespace: Named }
);

export interface RowCounts {
  deleted: number;
  updated: number;
}

/** What a transaction, or a subtransaction, has done so far. */
export class OpenTransaction {
  /** By the object number of the table, or the negative number of a file whose table is not known yet. */
  readonly rows = new Map<number, RowCounts>();
  readonly truncated = new Set<number>();
  readonly changes: CatalogueChange[] = [];
  /** Files that it has made, with the relations that they are of. */
  readonly files = new Map<number, number>();

  note(change: CatalogueChange): void {
    this.changes.push(change);
    if ('relation' in change && change.relation.file !== 0) this.files.set(change.relation.file, change.relation.oid);
  }

  count(table: number, kind: keyof RowCounts, by = 1): void {
    const counts = this.rows.get(table) ?? { deleted: 0, updated: 0 };
    counts[kind] += by;
    this.rows.set(table, counts);
  }

  /** How much there is to remember. */
  get size(): number {
    return 1 + this.rows.size + this.truncated.size + this.changes.length;
  }
}

/** What a transaction and its subtransactions have done, as one. */
export function joined(parts: readonly OpenTransaction[]): OpenTransaction {
  if (parts.length === 1) return parts[0]!;
  const whole = new OpenTransaction();
  const changes = parts.flatMap((part) => part.changes).sort((a, b) => a.order - b.order);
  for (const change of changes) whole.note(change);
  for (const part of parts) {
    for (const table of part.truncated) whole.truncated.add(table);
    for (const [table, { deleted, updated }] of part.rows) {
      whole.count(table, 'deleted', deleted);
      whole.count(table, 'updated', updated);
    }
  }
  return whole;
}
