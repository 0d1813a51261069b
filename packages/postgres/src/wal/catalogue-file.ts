import { rowsOf } from './heap-page.js';
import {
  deletedOffset,
  HEAP,
  heapKindOf,
  insertedColumns,
  insertedOffset,
  readUpdate,
  updatedColumns,
} from './heap-records.js';
import { type BlockPart, infoOf, MANAGER, managerOf, type RecordParts, type WalRecord } from './wal-record.js';

/** What happens to a row; the columns are null where the log does not tell them. */
export interface RowChange {
  kind: 'insert' | 'update' | 'delete';
  columns: Buffer | null;
}

const NEW_PAGE = 0x80;

/**
 * The rows of one catalogue's file as the log makes them, dead ones included: an update may be told by what differs from the row before.
 * The places of rows on a page do not change as long as somebody needs them, so nothing of vacuuming has to be repeated.
 */
export class CatalogueFile {
  readonly #blocks = new Map<number, Map<number, Buffer>>();

  /** Takes the rows of a page in the place of those that are known. */
  loadPage(block: number, page: Buffer): void {
    this.#blocks.set(block, new Map(rowsOf(page).map(({ offset, columns }) => [offset, Buffer.from(columns)])));
  }

  /** Does to the rows what the record says, and tells what that is; null when no row changes. */
  apply(record: WalRecord, parts: RecordParts): RowChange | null {
    const blocks = parts.blocks.filter(({ isMain }) => isMain);
    for (const { block, image } of blocks) {
      if (image === 'unreadable') this.#blocks.delete(block);
      else if (image) this.loadPage(block, image);
    }
    const [to] = blocks;
    if (managerOf(record) !== MANAGER.heap || !to) return null;
    if (infoOf(record) & NEW_PAGE && to.image === null) this.#blocks.delete(to.block);
    switch (heapKindOf(record)) {
      case HEAP.insert:
        return { kind: 'insert', columns: this.put(to, insertedOffset(parts), () => insertedColumns(to.data)) };
      case HEAP.update:
      case HEAP.hotUpdate:
        return { kind: 'update', columns: this.update(blocks, to, parts) };
      case HEAP.delete:
        return { kind: 'delete', columns: this.row(to.block, deletedOffset(parts)) ?? null };
      default:
        return null;
    }
  }

  private update(blocks: readonly BlockPart[], to: BlockPart, parts: RecordParts): Buffer | null {
    const change = readUpdate(parts);
    const from = blocks.find(({ id }) => id === 1) ?? to;
    const old = this.row(from.block, change.oldOffset);
    return this.put(to, change.newOffset, () => updatedColumns(to.data, change, old));
  }

  /** The row that is there now; an image of the page has it already. */
  private put({ block, image }: BlockPart, offset: number, columns: () => Buffer | null): Buffer | null {
    if (image) return this.row(block, offset) ?? null;
    const row = columns();
    const rows = this.#blocks.get(block) ?? new Map<number, Buffer>();
    this.#blocks.set(block, rows);
    if (row) rows.set(offset, Buffer.from(row));
    else rows.delete(offset);
    return row;
  }

  private row(block: number, offset: number): Buffer | undefined {
    return this.#blocks.get(block)?.get(offset);
  }
}
