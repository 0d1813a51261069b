import { formatLsn, WalError } from './wal-error.js';
import { infoOf, partsOf, transactionOf, type WalRecord } from './wal-record.js';

const KIND = { commit: 0x00, abort: 0x20, commitPrepared: 0x30, abortPrepared: 0x40 } as const;
const KIND_MASK = 0x70;
const HAS_INFO = 0x80;
const HAS = { database: 1, subtransactions: 2, files: 4, messages: 8, prepared: 16, droppedStats: 256 } as const;
/** From PostgreSQL's epoch, the beginning of the year 2000, back to 1970. */
const EPOCH_MICROSECONDS = 946_684_800_000_000;

/** The end of a transaction. */
export interface TransactionEnd {
  committed: boolean;
  /** The transaction and those of its subtransactions that end like it. */
  transactions: number[];
  /** The first of them, which PostgreSQL's own views call it by. */
  transaction: number;
  /** Microseconds since 1970, by the server's clock: what a restore to a moment goes by. */
  at: number;
}

/** Reads a record of the transactions' manager; null when it ends none. */
export function readEnd(record: WalRecord): TransactionEnd | null {
  const kind = infoOf(record) & KIND_MASK;
  if (!(Object.values(KIND) as number[]).includes(kind)) return null;
  return endOf(record, kind);
}

function endOf(record: WalRecord, kind: number): TransactionEnd {
  const { main } = partsOf(record);
  let at = 8;
  const number = () => {
    at += 4;
    return main.readUInt32LE(at - 4);
  };
  const skipList = (bytes: number) => {
    const length = number();
    at += length * bytes;
  };
  const has = infoOf(record) & HAS_INFO ? number() : 0;
  if (has & HAS.database) at += 8;
  const subtransactions = has & HAS.subtransactions ? Array.from({ length: listLength(main, number()) }, number) : [];
  if (has & HAS.files) skipList(12);
  if (has & HAS.droppedStats) skipList(record.format.droppedStatsBytes);
  if (has & HAS.messages) skipList(16);
  const transaction = has & HAS.prepared ? number() : transactionOf(record);
  return {
    committed: kind === KIND.commit || kind === KIND.commitPrepared,
    transaction,
    transactions: [transaction, ...subtransactions],
    at: Number(main.readBigInt64LE(0)) + EPOCH_MICROSECONDS,
  };
}

/** No list is longer than what it stands in. */
function listLength(main: Buffer, length: number): number {
  if (length * 4 > main.length) throw new RangeError();
  return length;
}

const RUNNING = 0x10;

/** Transactions that are under way, as the server notes it now and then. */
export interface RunningTransactions {
  transactions: number[];
  /** Whatever is older has ended, with or without a record of it. */
  oldest: number;
}

/** Reads a record of the standby manager; null when it is another. */
export function readRunning(record: WalRecord): RunningTransactions | null {
  if (infoOf(record) !== RUNNING) return null;
  const { main } = partsOf(record);
  if (main.length < 24) throw new WalError(`The log is damaged: the record at ${formatLsn(record.lsn)} is cut off.`);
  const count = Math.min(main.readUInt32LE(0) + main.readUInt32LE(4), (main.length - 24) / 4);
  return {
    transactions: Array.from({ length: Math.floor(count) }, (_, at) => main.readUInt32LE(24 + at * 4)),
    oldest: main.readUInt32LE(16),
  };
}

/** True when `transaction` is older; the numbers go round. */
export function precedes(transaction: number, other: number): boolean {
  return ((transaction - other) | 0) < 0;
}
