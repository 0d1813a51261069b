import type { BaseCatalogue } from './base-catalogue.js';
import { CATALOGUE, type Relation, readFileMap, readNamed, readRelation } from './catalogue-rows.js';
import type { ChangeCollector } from './change-collector.js';
import { HEAP, heapKindOf, isDeletion, readTruncate } from './heap-records.js';
import { OpenTransactions } from './open-transactions.js';
import { readEnd, readRunning, type TransactionEnd } from './transaction-records.js';
import { formatLsn, WalError } from './wal-error.js';
import { firstFile, MANAGER, managerOf, partsOf, transactionOf, type WalRecord } from './wal-record.js';

/** Images of pages alone. */
const IMAGES = [0xa0, 0xb0];
const MOST_BEGUN_BEFORE = 100;

/** Follows one database through the log, and ends every transaction in the collector. */
export class LogFollower {
  readonly begunBefore: { transaction: number; committedAt: number }[] = [];
  readonly #open = new OpenTransactions();
  /** Those that ran where the reading began; null before it is known. */
  #running: Set<number> | null = null;
  #order = 0;

  constructor(
    private readonly base: BaseCatalogue,
    private readonly collector: ChangeCollector,
    private readonly countsUpdates: boolean,
    private readonly onMoved: (file: number, ofNamespaces: boolean) => void,
  ) {
    for (const { transaction, row } of base.pending)
      this.#open.with(transaction, (open) => open.note({ order: this.#order++, isNew: false, ...row }));
  }

  /** Which records are to be read at all. */
  static wants(manager: number, info: number): boolean {
    return (
      manager === MANAGER.heap ||
      manager === MANAGER.transaction ||
      manager === MANAGER.heap2 ||
      manager === MANAGER.relmap ||
      manager === MANAGER.standby ||
      (manager === MANAGER.xlog && IMAGES.includes(info))
    );
  }

  follow(record: WalRecord): void {
    if (record.lsn < this.base.begin) return;
    try {
      this.read(record);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new WalError(`The log is damaged: the record at ${formatLsn(record.lsn)} is not made as records are.`);
    }
  }

  private read(record: WalRecord): void {
    switch (managerOf(record)) {
      case MANAGER.transaction:
        this.end(readEnd(record));
        break;
      case MANAGER.standby:
        this.running(readRunning(record));
        break;
      case MANAGER.relmap:
        this.mapFiles(record);
        break;
      default:
        this.heap(record);
    }
  }

  private end(end: TransactionEnd | null): void {
    if (!end) return;
    this.collector.end(end, this.#open.take(end.transactions));
    if (!end.committed || !end.transactions.some((transaction) => this.#running?.has(transaction))) return;
    if (this.collector.isWantedAt(end.at) && this.begunBefore.length < MOST_BEGUN_BEFORE)
      this.begunBefore.push({ transaction: end.transaction, committedAt: end.at });
  }

  private running(found: ReturnType<typeof readRunning>): void {
    if (!found) return;
    this.#running ??= new Set(found.transactions);
    this.#open.forgetBefore(found.oldest);
  }

  private heap(record: WalRecord): void {
    const kind = managerOf(record) === MANAGER.heap ? heapKindOf(record) : null;
    if (kind === HEAP.truncate) this.truncate(record);
    const file = firstFile(record);
    if (file?.database !== this.base.database) return;
    if (this.base.rows.has(file.file)) this.catalogue(record, file.file);
    else if (kind === HEAP.delete) this.count(record, file.file, 'deleted');
    else if (this.countsUpdates && (kind === HEAP.update || kind === HEAP.hotUpdate))
      this.count(record, file.file, 'updated');
  }

  private truncate(record: WalRecord): void {
    const { database, tables } = readTruncate(record, partsOf(record));
    if (database !== this.base.database) return;
    this.#open.with(transactionOf(record), (open) => {
      for (const table of tables) open.truncated.add(table);
    });
  }

  private count(record: WalRecord, file: number, kind: 'deleted' | 'updated'): void {
    const parts = partsOf(record);
    if (kind === 'deleted' && !isDeletion(parts)) return;
    const transaction = transactionOf(record);
    const known = this.#open.find(transaction)?.files.get(file) ?? this.base.catalogue.ownerOf(file);
    this.#open.with(transaction, (open) => open.count(known ?? -file, kind));
  }

  private catalogue(record: WalRecord, file: number): void {
    const change = this.base.rows.get(file)!.apply(record, partsOf(record));
    if (!change) return;
    const { kind, columns } = change;
    const order = this.#order++;
    this.#open.with(transactionOf(record), (open) => {
      if (this.isNamespaces(file)) {
        if (columns && kind !== 'delete') open.note({ order, namespace: readNamed(columns) });
        return;
      }
      const relation = columns && readRelation(columns, record.format);
      if (kind === 'delete') open.note({ order, dropped: relation });
      else if (relation) open.note({ order, relation, isNew: kind === 'insert' });
      this.noticeMove(relation);
    });
  }

  private isNamespaces(file: number): boolean {
    return this.base.namespaceFiles.has(file);
  }

  /** The schemas' catalogue may be written anew as any table, and its row says so. */
  private noticeMove(relation: Relation | null): void {
    if (relation?.oid !== CATALOGUE.namespaces || this.base.rows.has(relation.file)) return;
    this.onMoved(relation.file, true);
  }

  /** A catalogue that is needed for looking up was written anew: PostgreSQL notes it in its map. */
  private mapFiles(record: WalRecord): void {
    const { main } = partsOf(record);
    if (main.readUInt32LE(0) !== this.base.database) return;
    const map = readFileMap(main.subarray(12));
    for (const [oid, file] of map) this.base.catalogue.putFile(oid, file);
    const relations = map.get(CATALOGUE.relations);
    if (relations !== undefined && !this.base.rows.has(relations)) this.onMoved(relations, false);
  }
}
