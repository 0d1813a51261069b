const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** The CRC-32C (Castagnoli) of the parts, one after the other. */
export function crc32c(...parts: Uint8Array[]): number {
  let value = 0xffffffff;
  for (const part of parts)
    for (let at = 0; at < part.length; at++) value = TABLE[(value ^ part[at]!) & 0xff]! ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
