const POLYNOMIAL = 0x82f63b78;

/** Eight tables, so that eight bytes are taken at a time: each next one is of a byte that lies one further back. */
const TABLES = new Uint32Array(8 * 256);
for (let byte = 0; byte < 256; byte++) {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  TABLES[byte] = value >>> 0;
}
for (let at = 256; at < TABLES.length; at++) {
  const before = TABLES[at - 256]!;
  TABLES[at] = (before >>> 8) ^ TABLES[before & 0xff]!;
}

/** What `crc32c` begins with. */
export const CRC_BEGIN = 0xffffffff;

/** Goes on with a CRC-32C (Castagnoli) over more bytes. */
export function crc32c(before: number, bytes: Uint8Array): number {
  const t = TABLES;
  const whole = bytes.length & ~7;
  let value = before;
  let at = 0;
  for (; at < whole; at += 8) {
    const low = value ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    value =
      t[0x700 + (low & 0xff)]! ^
      t[0x600 + ((low >>> 8) & 0xff)]! ^
      t[0x500 + ((low >>> 16) & 0xff)]! ^
      t[0x400 + (low >>> 24)]! ^
      t[0x300 + bytes[at + 4]!]! ^
      t[0x200 + bytes[at + 5]!]! ^
      t[0x100 + bytes[at + 6]!]! ^
      t[bytes[at + 7]!]!;
  }
  for (; at < bytes.length; at++) value = t[(value ^ bytes[at]!) & 0xff]! ^ (value >>> 8);
  return value;
}

/** The checksum itself, once all bytes were gone over. */
export const crcEnd = (value: number): number => (value ^ 0xffffffff) >>> 0;
