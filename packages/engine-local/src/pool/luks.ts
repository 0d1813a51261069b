import { open } from 'node:fs/promises';
import { z } from 'zod';

const MAGIC = Buffer.from('LUKS\xba\xbe', 'latin1');
const JSON_AT = 4096;
const JSON_LONGEST = 4 * 1024 * 1024;

const metadata = z.object({
  keyslots: z.record(z.string(), z.object({ key_size: z.number() })),
  segments: z.record(z.string(), z.object({ encryption: z.string() })),
});

/** `AES-256-XTS` for an image, or a device, that LUKS of either version encrypts so, by its own header; null for another. */
export async function luksCipher(image: string): Promise<string | null> {
  const file = await open(image, 'r');
  try {
    const bytes = async (at: number, length: number) => {
      const buffer = Buffer.alloc(length);
      const { bytesRead } = await file.read(buffer, 0, length, at);
      return buffer.subarray(0, bytesRead);
    };
    const header = await bytes(0, 112);
    if (header.length < 112 || !header.subarray(0, 6).equals(MAGIC)) return null;
    const version = header.readUInt16BE(6);
    if (version === 1) return firstVersion(header);
    if (version !== 2) return null;
    const end = Number(header.readBigUInt64BE(8));
    return end > JSON_AT && end <= JSON_LONGEST ? secondVersion(await bytes(JSON_AT, end - JSON_AT)) : null;
  } finally {
    await file.close();
  }
}

function firstVersion(header: Buffer): string {
  const text = (from: number) => textIn(header.subarray(from, from + 32));
  return cipherName(text(8), text(40), header.readUInt32BE(108));
}

function secondVersion(area: Buffer): string | null {
  const parsed = metadata.safeParse(JSON.parse(textIn(area)));
  const [segment] = Object.values(parsed.data?.segments ?? {});
  const [slot] = Object.values(parsed.data?.keyslots ?? {});
  if (!segment || !slot) return null;
  const [cipher = '', ...mode] = segment.encryption.split('-');
  return cipherName(cipher, mode.join('-'), slot.key_size);
}

const textIn = (bytes: Buffer): string => bytes.toString('latin1').replace(/\0.*$/s, '');

function cipherName(cipher: string, mode: string, keyBytes: number): string {
  const short = mode.split('-')[0]!.toUpperCase();
  // XTS takes two keys.
  return `${cipher.toUpperCase()}-${(keyBytes * 8) / (short === 'XTS' ? 2 : 1)}-${short}`;
}
