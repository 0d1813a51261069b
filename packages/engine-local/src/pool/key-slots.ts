import type { Secret } from '@borealis/contract';
import { dmCryptSlots } from './dm-crypt-slots.js';
import { imageSlots } from './image-slots.js';
import type { Pool } from './pool.js';

/** The keys that open an encrypted image, which nobody has open meanwhile. Its data is never touched: all of them lead to one key of its own. */
export interface KeySlots {
  /** True when this key opens the image. */
  opens(image: string, key: Secret<Buffer>): Promise<boolean>;
  /** Adds one, which another one allows. A key that somebody chose is made slow to guess. */
  add(image: string, key: Secret<Buffer>, next: Secret<Buffer>, kind: 'random' | 'chosen'): Promise<void>;
  /** Takes one away; `key` is another one, which has to open the image. */
  remove(image: string, key: Secret<Buffer>, former: Secret<Buffer>): Promise<void>;
}

/** Those of the format that this pool was made with. */
export function slotsOf({ encryptedBy }: Pool): KeySlots {
  return encryptedBy === 'dm-crypt' ? dmCryptSlots : imageSlots;
}
