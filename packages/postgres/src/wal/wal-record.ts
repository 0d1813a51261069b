import { formatLsn, WalError } from './wal-error.js';
import type { WalFormat } from './wal-format.js';

/** Length, transaction, position of the record before, flags, resource manager, checksum. */
export const RECORD_HEADER_BYTES = 24;
export const PAGE_BYTES = 8192;
const MAIN_FORK = 0;
const LARGEST_BLOCK_ID = 32;
const ID = { toplevel: 252, origin: 253, long: 254, short: 255 } as const;
const HAS_IMAGE = 0x10;
const HAS_DATA = 0x20;
const SAME_RELATION = 0x80;
const IMAGE_HAS_HOLE = 0x01;

/** The resource managers whose records are read. */
export const MANAGER = { xlog: 0, transaction: 1, relmap: 7, standby: 8, heap2: 9, heap: 10 } as const;

/** One record of the log, as it was assembled from its pages. */
export interface WalRecord {
  lsn: number;
  /** Header and all. */
  bytes: Buffer;
  format: WalFormat;
}

export const transactionOf = ({ bytes }: WalRecord): number => bytes.readUInt32LE(4);
/** Which of its manager's kinds it is; the lower four bits are no business of the manager. */
export const infoOf = ({ bytes }: WalRecord): number => bytes[16]! & 0xf0;
export const managerOf = ({ bytes }: WalRecord): number => bytes[17]!;

/** A file of a relation in a database. */
export interface RelationFile {
  database: number;
  file: number;
}

/** What a record has to say about one block of a relation. */
export interface BlockPart extends RelationFile {
  id: number;
  isMain: boolean;
  block: number;
  /** The whole page as it is after the record; `unreadable` where it is compressed; null where the record has none. */
  image: Buffer | 'unreadable' | null;
  data: Buffer;
}

export interface RecordParts {
  blocks: BlockPart[];
  main: Buffer;
}

/** The relation of a record's first block, without reading the rest; null when it has none. */
export function firstFile({ bytes, format, lsn }: WalRecord): RelationFile | null {
  if (bytes.length < RECORD_HEADER_BYTES + 4 || bytes[RECORD_HEADER_BYTES]! > LARGEST_BLOCK_ID) return null;
  const hasImage = (bytes[RECORD_HEADER_BYTES + 1]! & HAS_IMAGE) !== 0;
  let at = RECORD_HEADER_BYTES + 4;
  if (hasImage) at += hasHoleLength(bytes[at + 4]!, format) ? 7 : 5;
  if (at + 12 > bytes.length) throw malformed(lsn);
  return { database: bytes.readUInt32LE(at + 4), file: bytes.readUInt32LE(at + 8) };
}

const hasHoleLength = (flags: number, format: WalFormat) =>
  (flags & IMAGE_HAS_HOLE) !== 0 && (flags & format.compressed) !== 0;

interface Announced extends Omit<BlockPart, 'image' | 'data'> {
  imageBytes: number | null;
  holeAt: number;
  compressed: boolean;
  dataBytes: number;
}

/** Takes a record apart; throws a `WalError` or a `RangeError` for one whose lengths are wrong. */
export function partsOf(record: WalRecord): RecordParts {
  return new PartReader(record).read();
}

function malformed(lsn: number): WalError {
  return new WalError(`The log is damaged: the record at ${formatLsn(lsn)} is not made as records are.`);
}

class PartReader {
  #at = RECORD_HEADER_BYTES;
  #announced: Announced[] = [];
  #mainBytes = 0;
  /** Of all that follows the headers. */
  #dataBytes = 0;

  constructor(private readonly record: WalRecord) {}

  read(): RecordParts {
    const { bytes, lsn } = this.record;
    while (bytes.length - this.#at > this.#dataBytes) this.readHeader();
    if (bytes.length - this.#at !== this.#dataBytes) throw malformed(lsn);
    const blocks = this.#announced.map((block) => this.readBlock(block));
    return { blocks, main: this.take(this.#mainBytes) };
  }

  private readHeader(): void {
    const id = this.byte();
    if (id === ID.short) this.announceMain(this.byte());
    else if (id === ID.long) this.announceMain(this.number());
    else if (id === ID.origin) this.short();
    else if (id === ID.toplevel) this.number();
    else if (id <= LARGEST_BLOCK_ID) this.announceBlock(id);
    else throw malformed(this.record.lsn);
  }

  private announceMain(length: number): void {
    this.#mainBytes = length;
    this.#dataBytes += length;
  }

  private announceBlock(id: number): void {
    const flags = this.byte();
    const dataBytes = this.short();
    const image = flags & HAS_IMAGE ? this.imageHeader() : { imageBytes: null, holeAt: 0, compressed: false };
    const file = flags & SAME_RELATION ? this.#announced.at(-1) : this.relation();
    if (!file || (dataBytes > 0 && !(flags & HAS_DATA))) throw malformed(this.record.lsn);
    const { database, file: number } = file;
    const isMain = (flags & 0x0f) === MAIN_FORK;
    this.#announced.push({ id, isMain, database, file: number, block: this.number(), dataBytes, ...image });
    this.#dataBytes += dataBytes + (image.imageBytes ?? 0);
  }

  private imageHeader(): Pick<Announced, 'imageBytes' | 'holeAt' | 'compressed'> {
    const { format } = this.record;
    const [imageBytes, holeAt, flags] = [this.short(), this.short(), this.byte()];
    if (hasHoleLength(flags, format)) this.short();
    return { imageBytes, holeAt, compressed: (flags & format.compressed) !== 0 };
  }

  private relation(): RelationFile {
    this.number();
    return { database: this.number(), file: this.number() };
  }

  private readBlock({ imageBytes, holeAt, compressed, dataBytes, ...block }: Announced): BlockPart {
    const image = imageBytes === null ? null : this.take(imageBytes);
    return {
      ...block,
      image: image && (compressed ? 'unreadable' : this.wholePage(image, holeAt)),
      data: this.take(dataBytes),
    };
  }

  /** The middle of a page, where there is nothing, is left out of its image. */
  private wholePage(image: Buffer, holeAt: number): Buffer {
    if (image.length > PAGE_BYTES || holeAt > image.length) throw malformed(this.record.lsn);
    const page = Buffer.alloc(PAGE_BYTES);
    image.copy(page, 0, 0, holeAt);
    image.copy(page, PAGE_BYTES - (image.length - holeAt), holeAt);
    return page;
  }

  private take(length: number): Buffer {
    const taken = this.record.bytes.subarray(this.#at, this.#at + length);
    if (taken.length !== length) throw malformed(this.record.lsn);
    this.#at += length;
    return taken;
  }

  private byte(): number {
    return this.record.bytes.readUInt8(this.#at++);
  }

  private short(): number {
    this.#at += 2;
    return this.record.bytes.readUInt16LE(this.#at - 2);
  }

  private number(): number {
    this.#at += 4;
    return this.record.bytes.readUInt32LE(this.#at - 4);
  }
}
