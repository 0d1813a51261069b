import { PAGE_BYTES } from './wal-record.js';

const PAGE_HEADER = 24;
/** Of a row: up to where its bits for nulls begin. */
export const ROW_HEADER = 23;
const NORMAL = 1;

/** A row as it stands on a page. */
export interface HeapRow {
  /** From 1. */
  offset: number;
  insertedBy: number;
  deletedBy: number;
  flags: number;
  /** All columns; null bits are left out. */
  columns: Buffer;
}

/** All rows of a page, dead ones included. What is not a row of a whole page is left out. */
export function rowsOf(page: Buffer): HeapRow[] {
  const end = Math.min(page.readUInt16LE(12), PAGE_BYTES - 4);
  const rows: HeapRow[] = [];
  for (let at = PAGE_HEADER, offset = 1; at + 4 <= end; at += 4, offset++) {
    const pointer = page.readUInt32LE(at);
    const [start, kind, length] = [pointer & 0x7fff, (pointer >>> 15) & 3, pointer >>> 17];
    if (kind !== NORMAL || length <= ROW_HEADER || start + length > PAGE_BYTES) continue;
    const row = page.subarray(start, start + length);
    rows.push({
      offset,
      insertedBy: row.readUInt32LE(0),
      deletedBy: row.readUInt32LE(4),
      flags: row.readUInt16LE(20),
      columns: row.subarray(row[22]!),
    });
  }
  return rows;
}
