import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { Secret } from '@borealis/contract';

/** Says what the file is and how it is made; another way of sealing gets another number. */
const MAGIC = Buffer.from('borseal1');
const SALT_BYTES = 32;
const CHECK_BYTES = 16;
const TAG_BYTES = 16;
const LAST = 0x8000_0000;
const NONCE_BYTES = 12;

/** Magic, salt, a check of the key, a check of the name. */
export const HEADER_BYTES = MAGIC.length + SALT_BYTES + 2 * CHECK_BYTES;
/** At most so many bytes of content are in one frame. */
export const FRAME_BYTES = 1024 * 1024;
/** What precedes each frame: its length, of which the highest bit marks the last one. */
export const LENGTH_BYTES = 4;

/**
 * Seals and opens the frames of one file. Its key is its own, made from the archive's key and a random salt, so the number of a frame
 * can be its nonce. Each frame is bound to the format, the file's name, its number and to being the last: none can be left out,
 * moved, or put into another file.
 */
export class Frames {
  readonly #key: Buffer;
  readonly #checks: Buffer;
  readonly #name: Buffer;
  #number = 0;

  constructor(
    key: Secret<Buffer>,
    name: string,
    private readonly salt: Buffer,
  ) {
    const derived = Buffer.from(hkdfSync('sha256', key.reveal(), salt, MAGIC, 32 + 32 + CHECK_BYTES));
    this.#key = derived.subarray(0, 32);
    this.#name = Buffer.from(name);
    const nameCheck = createHmac('sha256', derived.subarray(32, 64)).update(this.#name).digest();
    this.#checks = Buffer.concat([derived.subarray(64), nameCheck.subarray(0, CHECK_BYTES)]);
  }

  /** The salt of a header; null when it is no sealed file's, or one of another format. */
  static saltOf(header: Buffer): Buffer | null {
    if (!header.subarray(0, MAGIC.length).equals(MAGIC)) return null;
    return header.subarray(MAGIC.length, MAGIC.length + SALT_BYTES);
  }

  static readonly saltBytes = SALT_BYTES;

  header(): Buffer {
    return Buffer.concat([MAGIC, this.salt, this.#checks]);
  }

  /** What does not fit in this header: the key (or its salt was changed), or the name. */
  mismatch(header: Buffer): 'other_key' | 'other_name' | null {
    const [key, name] = [0, CHECK_BYTES].map((start) => {
      const at = MAGIC.length + SALT_BYTES + start;
      return timingSafeEqual(header.subarray(at, at + CHECK_BYTES), this.#checks.subarray(start, start + CHECK_BYTES));
    });
    if (!key) return 'other_key';
    return name ? null : 'other_name';
  }

  /** The next frame as it stands in the file. */
  seal(content: Buffer, last: boolean): Buffer {
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.nonce()).setAAD(this.bound(last));
    const sealed = cipher.update(content);
    cipher.final();
    this.#number++;
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE((last ? LAST : 0) + content.length);
    return Buffer.concat([length, sealed, cipher.getAuthTag()]);
  }

  /** Reads a frame's length; null for one that no frame has. `bytes` is what follows it in the file. */
  static readLength(length: Buffer): { bytes: number; last: boolean } | null {
    const value = length.readUInt32BE();
    const content = value % LAST;
    return content > FRAME_BYTES ? null : { bytes: content + TAG_BYTES, last: value >= LAST };
  }

  /** The content of the next frame; throws unless it is that frame, unchanged. */
  open(sealed: Buffer, last: boolean): Buffer {
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, this.nonce(), { authTagLength: TAG_BYTES })
      .setAAD(this.bound(last))
      .setAuthTag(sealed.subarray(end));
    const content = decipher.update(sealed.subarray(0, end));
    decipher.final();
    this.#number++;
    return content;
  }

  /** Of the frame that is being read or written, counted from 1. */
  get number(): number {
    return this.#number + 1;
  }

  private nonce(): Buffer {
    const nonce = Buffer.alloc(NONCE_BYTES);
    nonce.writeUInt32BE(this.#number, NONCE_BYTES - 4);
    return nonce;
  }

  private bound(last: boolean): Buffer {
    const numbers = Buffer.alloc(5);
    numbers.writeUInt32BE(this.#number);
    numbers.writeUInt8(last ? 1 : 0, 4);
    return Buffer.concat([MAGIC, numbers, this.#name]);
  }
}
