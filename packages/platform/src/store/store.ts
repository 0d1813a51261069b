import { chmodSync, mkdirSync } from 'node:fs';
import { type Change, Journal } from './journal.js';
import { TABLE_NAMES, type TableName, type Tables } from './records.js';

/** Writes inside one transaction. Reads through the store see them at once. */
export interface Transaction {
  put<T extends TableName>(table: T, record: Tables[T]): void;
  delete(table: TableName, id: string): void;
}

/**
 * The platform's records in memory, each transaction fsynced before `commit` returns. Everything is synchronous: what one
 * request reads and writes in one go no other request can come between. Files are for their owner only.
 */
export class Store {
  readonly #tables = new Map<TableName, Map<string, unknown>>(TABLE_NAMES.map((name) => [name, new Map()]));
  readonly #journal: Journal;

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
    this.#journal = Journal.open(directory, (change) => this.#apply(change));
  }

  get<T extends TableName>(table: T, id: string): Tables[T] | undefined {
    return this.#table(table).get(id);
  }

  all<T extends TableName>(table: T): Tables[T][] {
    return [...this.#table(table).values()];
  }

  filter<T extends TableName>(table: T, test: (record: Tables[T]) => boolean): Tables[T][] {
    return this.all(table).filter(test);
  }

  find<T extends TableName>(table: T, test: (record: Tables[T]) => boolean): Tables[T] | undefined {
    for (const record of this.#table(table).values()) if (test(record)) return record;
    return undefined;
  }

  /** Runs `change` and makes all of it durable, or, when it or the disk fails, none of it. */
  commit(change: (tx: Transaction) => void): void {
    const done: Change[] = [];
    const undo: Change[] = [];
    const write = (table: TableName, id: string, record: unknown) => {
      undo.push({ table, id, record: this.#table(table).get(id) ?? null });
      done.push({ table, id, record });
      this.#apply({ table, id, record });
    };
    try {
      change({
        put: (table, record) => write(table, record.id, record),
        delete: (table, id) => write(table, id, null),
      });
      if (done.length > 0) this.#journal.append(done);
    } catch (error) {
      for (const entry of undo.reverse()) this.#apply(entry);
      throw error;
    }
  }

  /** Folds the journal into the snapshot when it has grown large. */
  compactIfLarge(): void {
    if (this.#journal.wantsCompaction) this.compact();
  }

  compact(): void {
    this.#journal.compact(this.#everything());
  }

  close(): void {
    this.#journal.close();
  }

  #table<T extends TableName>(table: T): Map<string, Tables[T]> {
    return this.#tables.get(table) as Map<string, Tables[T]>;
  }

  #apply({ table, id, record }: Change): void {
    const rows = this.#tables.get(table as TableName);
    if (!rows) return;
    if (record === null) rows.delete(id);
    else rows.set(id, record);
  }

  *#everything(): Iterable<Change> {
    for (const [table, rows] of this.#tables) for (const [id, record] of rows) yield { table, id, record };
  }
}
