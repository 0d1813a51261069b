import { CRC_BEGIN, crc32c, crcEnd } from './crc32c.js';
import { formatLsn, WalError } from './wal-error.js';
import { formatOf, type WalFormat } from './wal-format.js';
import { MANAGER, PAGE_BYTES, RECORD_HEADER_BYTES, type WalRecord } from './wal-record.js';

const SHORT_HEADER = 24;
const LONG_HEADER = 40;
const FLAG = { continuesRecord: 0x01, longHeader: 0x02, abandonsRecord: 0x08 } as const;
const CHECKSUM_AT = 20;
const SWITCH = 0x40;
/** A record that is read is held in memory: a commit of some ten million subtransactions is the largest that fits. */
const LARGEST_RECORD = 64 * 1024 * 1024;

/** A record that goes on on the next page. */
interface Unfinished {
  lsn: number;
  /** What is known of it, at least until its header is; emptied for one that nobody wants. */
  parts: Buffer[];
  /** Null before it is known, and for the rest of a record whose beginning was never read. */
  header: Buffer | null;
  /** The checksum so far. */
  sum: number;
  known: number;
  missing: number;
  isWanted: boolean | null;
}

const newRecord = (lsn: number, missing: number): Unfinished => ({
  ...{ lsn, parts: [], known: 0, missing, isWanted: null },
  ...{ header: null, sum: CRC_BEGIN },
});

/**
 * Reads the segments of one line of the log, given piece by piece in their order, from any segment on. Each record that is wanted is
 * handed over whole. Throws a `WalError` where a segment is cut off, is not the one it should be, holds a record whose checksum is wrong,
 * or is of no known major.
 */
export class WalReader {
  #format: WalFormat | null = null;
  /** Where the next byte of the log stands. */
  #lsn = 0;
  #segmentEnd = 0;
  /** The beginning of a page whose rest is still to come. */
  #rest: Buffer = Buffer.alloc(0);
  #unfinished: Unfinished | null = null;
  /** The rest of the segment is empty: the server went on with the next one. */
  #switched = false;
  #isFirstPage = true;

  constructor(
    private readonly segmentBytes: number,
    private readonly isWanted: (manager: number, info: number) => boolean,
    private readonly onRecord: (record: WalRecord) => void,
  ) {}

  /** Goes on with the segment of that number. */
  beginSegment(number: number): void {
    if (this.#segmentEnd !== 0) this.endSegment();
    const begin = number * this.segmentBytes;
    if (this.#segmentEnd !== 0 && begin !== this.#segmentEnd)
      throw new WalError(`The log has a gap: after ${formatLsn(this.#segmentEnd)} comes ${formatLsn(begin)}.`);
    this.#lsn = begin;
    this.#segmentEnd = begin + this.segmentBytes;
    this.#switched = false;
  }

  /** Throws unless all of the segment was read. */
  endSegment(): void {
    if (this.#lsn + this.#rest.length !== this.#segmentEnd)
      throw new WalError(`The log is cut off at ${formatLsn(this.#lsn + this.#rest.length)}.`);
  }

  /** Reads the next bytes of the segment. */
  feed(bytes: Buffer): void {
    if (this.#lsn + this.#rest.length + bytes.length > this.#segmentEnd)
      throw new WalError(`The segment of the log that ends at ${formatLsn(this.#segmentEnd)} is too long.`);
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (; all.length - at >= PAGE_BYTES; at += PAGE_BYTES) {
      if (!this.#switched) this.readPage(all.subarray(at, at + PAGE_BYTES));
      this.#lsn += PAGE_BYTES;
    }
    this.#rest = all.subarray(at);
  }

  private readPage(page: Buffer): void {
    const flags = page.readUInt16LE(2);
    this.#format ??= formatOf(page.readUInt16LE(0)) ?? null;
    const address = page.readUInt32LE(12) * 2 ** 32 + page.readUInt32LE(8);
    if (!this.#format || formatOf(page.readUInt16LE(0)) !== this.#format || address !== this.#lsn)
      throw new WalError(`The log is damaged: there is no page of it at ${formatLsn(this.#lsn)}.`);
    const begin = flags & FLAG.longHeader ? LONG_HEADER : SHORT_HEADER;
    this.takeUp(flags, page.readUInt32LE(16));
    this.#isFirstPage = false;
    this.readRecords(page, begin);
  }

  /** Compares what the page goes on with to what the last one left. */
  private takeUp(flags: number, missing: number): void {
    const begun = this.#unfinished;
    const continues = (flags & FLAG.continuesRecord) !== 0;
    // A server that crashed in the middle of a record goes on without it.
    if (begun && !continues && flags & FLAG.abandonsRecord) this.#unfinished = null;
    else if (begun ? continues && begun.missing === missing : !continues) return;
    else if (!begun && this.#isFirstPage) this.#unfinished = { ...newRecord(this.#lsn, missing), isWanted: false };
    else throw new WalError(`The log is damaged: the page at ${formatLsn(this.#lsn)} goes on with another record.`);
  }

  private readRecords(page: Buffer, begin: number): void {
    let at = begin;
    while (at < PAGE_BYTES && !this.#switched) {
      const begun = this.#unfinished ?? this.beginRecord(page, at);
      const taken = Math.min(begun.missing, PAGE_BYTES - at);
      this.addPart(begun, page.subarray(at, at + taken));
      at += taken;
      this.#unfinished = begun.missing > 0 ? begun : null;
      if (begun.missing > 0) return;
      this.finish(begun);
      at = Math.ceil(at / 8) * 8;
    }
  }

  private beginRecord(page: Buffer, at: number): Unfinished {
    const lsn = this.#lsn + at;
    const missing = page.readUInt32LE(at);
    if (missing < RECORD_HEADER_BYTES)
      throw new WalError(`The log is damaged: there is no record at ${formatLsn(lsn)}.`);
    return newRecord(lsn, missing);
  }

  private addPart(record: Unfinished, part: Buffer): void {
    record.missing -= part.length;
    if (record.isWanted !== false) {
      record.parts.push(part);
      record.known += part.length;
    }
    if (record.header) record.sum = crc32c(record.sum, part);
    if (record.isWanted === null && record.known >= RECORD_HEADER_BYTES) this.choose(record);
  }

  private choose(record: Unfinished): void {
    const head = record.parts.length === 1 ? record.parts[0]! : Buffer.concat(record.parts);
    record.header = head.subarray(0, RECORD_HEADER_BYTES);
    record.sum = crc32c(CRC_BEGIN, head.subarray(RECORD_HEADER_BYTES));
    const [info, manager] = [head[16]! & 0xf0, head[17]!];
    const isSwitch = manager === MANAGER.xlog && info === SWITCH;
    record.isWanted = isSwitch || this.isWanted(manager, info);
    if (!record.isWanted) record.parts = [];
    else if (record.known + record.missing > LARGEST_RECORD)
      throw new WalError(`The record of the log at ${formatLsn(record.lsn)} is too large to be read.`);
  }

  private finish({ lsn, parts, isWanted, header, sum }: Unfinished): void {
    if (header && crcEnd(crc32c(sum, header.subarray(0, CHECKSUM_AT))) !== header.readUInt32LE(CHECKSUM_AT))
      throw new WalError(`The log is damaged: the record at ${formatLsn(lsn)} has a wrong checksum.`);
    if (!isWanted) return;
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    this.#switched = bytes[17] === MANAGER.xlog && (bytes[16]! & 0xf0) === SWITCH;
    if (!this.#switched) this.onRecord({ lsn, bytes, format: this.#format! });
  }
}
