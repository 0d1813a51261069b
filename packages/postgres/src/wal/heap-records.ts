import { ROW_HEADER } from './heap-page.js';
import { formatLsn, WalError } from './wal-error.js';
import { infoOf, type RecordParts, type WalRecord } from './wal-record.js';

const KIND_MASK = 0x70;
/** What a record of the heap's manager does. */
export const HEAP = { insert: 0x00, delete: 0x10, update: 0x20, truncate: 0x30, hotUpdate: 0x40 } as const;
/** A row of a speculative insertion that is taken back, and one that an UPDATE moves to another partition. */
const NO_DELETION = 0x08 | 0x10;
const SHARES = { prefix: 0x20, suffix: 0x40 } as const;
const ROW_PREFACE = 5;

export const heapKindOf = (record: WalRecord): number => infoOf(record) & KIND_MASK;

/** Where a row is that a record is about. */
export const insertedOffset = ({ main }: RecordParts): number => main.readUInt16LE(0);
export const deletedOffset = ({ main }: RecordParts): number => main.readUInt16LE(4);
/** True when the record of a deletion takes away a row that somebody could have seen. */
export const isDeletion = ({ main }: RecordParts): boolean => (main.readUInt8(7) & NO_DELETION) === 0;

export interface RowUpdate {
  oldOffset: number;
  newOffset: number;
  flags: number;
}

export function readUpdate({ main }: RecordParts): RowUpdate {
  return { oldOffset: main.readUInt16LE(4), flags: main.readUInt8(7), newOffset: main.readUInt16LE(12) };
}

/** The columns of an inserted row, from the data of its block. */
export function insertedColumns(data: Buffer): Buffer {
  return data.subarray(ROW_PREFACE + nullBits(data, 0));
}

/** The columns of an updated row, from the data of its block and the row before; null when that one is needed and not known. */
export function updatedColumns(data: Buffer, { flags }: RowUpdate, old: Buffer | undefined): Buffer | null {
  let at = 0;
  const length = (flag: number) => {
    if ((flags & flag) === 0) return 0;
    at += 2;
    return data.readUInt16LE(at - 2);
  };
  const [prefix, suffix] = [length(SHARES.prefix), length(SHARES.suffix)];
  const middle = data.subarray(at + ROW_PREFACE + nullBits(data, at));
  if (prefix + suffix === 0) return middle;
  if (!old || prefix + suffix > old.length) return null;
  return Buffer.concat([old.subarray(0, prefix), middle, old.subarray(old.length - suffix)]);
}

/** Bytes between the fixed part of a row's header and its columns. */
function nullBits(data: Buffer, at: number): number {
  return Math.max(0, data.readUInt8(at + 4) - ROW_HEADER);
}

/** The tables that a TRUNCATE empties, by their object numbers. */
export function readTruncate(record: WalRecord, { main }: RecordParts): { database: number; tables: number[] } {
  const count = main.readUInt32LE(4);
  if (12 + count * 4 > main.length)
    throw new WalError(`The log is damaged: the TRUNCATE at ${formatLsn(record.lsn)} is cut off.`);
  return {
    database: main.readUInt32LE(0),
    tables: Array.from({ length: count }, (_, at) => main.readUInt32LE(12 + at * 4)),
  };
}
