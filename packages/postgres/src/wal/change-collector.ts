import type { BaseCatalogue } from './base-catalogue.js';
import { isTable, type TableName } from './catalogue.js';
import { FIRST_USER_OBJECT, type Relation } from './catalogue-rows.js';
import { type ChangeFilter, type ChangeKind, type FoundChange, Newest, type TableHint } from './changes.js';
import { joined, OpenTransaction } from './open-transaction.js';
import type { TransactionEnd } from './transaction-records.js';

/** Decides at each commit which of its changes are wanted, and keeps the catalogue as committed transactions make it. */
export class ChangeCollector {
  readonly found: Newest<FoundChange>;
  /** True once a table was seen that the filter names. */
  isKnown: boolean;
  hint: TableHint | null = null;
  /** Of all ends so far. */
  #latest = 0;

  constructor(
    private readonly base: BaseCatalogue,
    private readonly filter: ChangeFilter,
    most: number,
  ) {
    this.found = new Newest(most);
    this.isKnown = filter.table === null;
    for (const relation of base.catalogue.all()) this.notice(relation);
  }

  /** Ends a transaction that did what `parts` say. */
  end(end: TransactionEnd, parts: readonly OpenTransaction[]): void {
    if (end.committed && parts.length > 0) this.commit(end, joined(parts));
    this.#latest = Math.max(this.#latest, end.at);
  }

  /** True for a time that the filter asks for. */
  isWantedAt(at: number): boolean {
    return at >= this.filter.since;
  }

  /** Marks whether the table is the one that is looked for. */
  notice(relation: Relation): void {
    if (!isTable(relation) || !this.filter.table || !this.isNamed(this.base.catalogue.nameOf(relation))) return;
    this.isKnown = true;
    if (relation.kind === 'p') this.hint = 'partitioned';
    else if (relation.persistence === 'u') this.hint = 'unlogged';
  }

  private commit(end: TransactionEnd, work: OpenTransaction): void {
    for (const change of work.changes) if ('namespace' in change) this.base.catalogue.putNamespace(change.namespace);
    const named = new Map<number, Relation>();
    for (const change of work.changes) if ('relation' in change) named.set(change.relation.oid, change.relation);
    for (const relation of named.values()) this.notice(relation);
    if (this.isWantedAt(end.at)) this.collect(end, work, named);
    for (const change of work.changes) this.follow(change);
  }

  private follow(change: OpenTransaction['changes'][number]): void {
    const { catalogue } = this.base;
    if ('relation' in change) catalogue.put(change.relation);
    else if ('dropped' in change && change.dropped) catalogue.drop(change.dropped.oid);
  }

  private collect(end: TransactionEnd, work: OpenTransaction, named: Map<number, Relation>): void {
    const made = new Set(
      work.changes.flatMap((change) => ('relation' in change && change.isNew ? change.relation.oid : [])),
    );
    const report = (kind: ChangeKind, oid: number, rows: number | null) => {
      // What came and went within the transaction was never there for anybody else.
      if (!made.has(oid)) this.report(end, { kind, oid, rows }, named);
    };
    for (const [oid, { deleted, updated }] of this.rowsByTable(work)) {
      if (deleted > 0) report('delete', oid, deleted);
      if (updated > 0) report('update', oid, updated);
    }
    for (const oid of work.truncated) report('truncate', oid, null);
    for (const change of work.changes) {
      if (!('dropped' in change)) continue;
      if (!change.dropped) this.add(end, 'drop', { table: null, file: null, rows: null });
      else if (isTable(change.dropped)) report('drop', change.dropped.oid, null);
    }
  }

  /** A file may be known only now: a subtransaction does not know what the one around it has done. */
  private rowsByTable(work: OpenTransaction): OpenTransaction['rows'] {
    const known = new OpenTransaction();
    for (const [table, { deleted, updated }] of work.rows) {
      const oid = table > 0 ? table : (work.files.get(-table) ?? this.base.catalogue.ownerOf(-table) ?? table);
      known.count(oid, 'deleted', deleted);
      known.count(oid, 'updated', updated);
    }
    return known.rows;
  }

  private report(
    end: TransactionEnd,
    { kind, oid, rows }: { kind: ChangeKind; oid: number; rows: number | null },
    named: Map<number, Relation>,
  ): void {
    if (oid > 0 && oid < FIRST_USER_OBJECT) return;
    const { catalogue } = this.base;
    const after = named.get(oid);
    const relation = catalogue.find(oid) ?? after;
    if (!relation) {
      this.add(end, kind, { table: null, file: oid < 0 ? -oid : null, rows });
      return;
    }
    // What is not in the log does not come back.
    if (!isTable(relation) || relation.persistence === 'u') return;
    const table = catalogue.nameOf(relation);
    const isWanted = this.isNamed(table) || (after !== undefined && this.isNamed(catalogue.nameOf(after)));
    if (isWanted) this.add(end, kind, { table, file: null, rows });
  }

  private add(
    { transaction, at }: TransactionEnd,
    kind: ChangeKind,
    what: Pick<FoundChange, 'table' | 'file' | 'rows'>,
  ): void {
    if (!this.filter.kinds.includes(kind)) return;
    this.found.add({ kind, ...what, transaction, committedAt: at, isCrowded: this.#latest >= at });
  }

  private isNamed({ schema, name }: TableName): boolean {
    const { table } = this.filter;
    return table === null || (table.name === name && (table.schema === null || table.schema === schema));
  }
}
