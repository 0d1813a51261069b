import { daemonLayers } from './daemon-layers.js';
import { dmCryptLayers } from './dm-crypt-layers.js';
import { plainLayers } from './plain-layers.js';
import type { Pool } from './pool.js';

/** What lies between a pool's image and its file system. Every call finds what an earlier process left. */
export interface Layers {
  /** Makes the image, with all of its room taken from the disk. A key that somebody chose is made slow to guess. */
  format(pool: Pool, key: 'random' | 'chosen'): Promise<void>;
  /** Shows the image in clear as a block device, and returns that. Throws one sentence when the key does not open it. */
  open(pool: Pool): Promise<string>;
  /** The block devices that show it in clear now. */
  devices(pool: Pool): Promise<string[]>;
  /** False when an open image is gone from behind its device. */
  works(pool: Pool): Promise<boolean>;
  /** Makes an open image hold as much as the pool's record says, up to the block device; one that does already is left alone. */
  enlarge(pool: Pool): Promise<void>;
  /** Takes away what shows it, in order; nothing is an error that is gone already. */
  close(pool: Pool): Promise<void>;
}

/** Those that this pool was made with. */
export function layersOf({ key, encryptedBy }: Pool): Layers {
  if (key === null) return plainLayers;
  return encryptedBy === 'dm-crypt' ? dmCryptLayers : daemonLayers;
}
