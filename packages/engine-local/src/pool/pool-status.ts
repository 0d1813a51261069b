import { readFile, stat, statfs } from 'node:fs/promises';
import type { DataAtRest } from '@borealis/engine';
import { dataAtRest } from './data-at-rest.js';
import { mountState } from './mounting.js';
import { imageOf, type Pool } from './pool.js';
import { findDaemons } from './storage-daemon.js';

/** What there is to know about a pool. */
export interface PoolStatus {
  state: 'mounted' | 'broken' | 'unmounted' | 'unfinished';
  home: string;
  image: string;
  sizeBytes: number;
  /** Null: not encrypted. */
  key: Pool['key'];
  /** The key lies on the same file system as the image: who has that disk has both. */
  keyBesideImage: boolean;
  /** As it is found while the pool is mounted. */
  dataAtRest: DataAtRest | null;
  freeBytes: number | null;
  /** False: the kernel may end the storage daemon when memory is short. Null: none runs. */
  sparedByOomKiller: boolean | null;
}

/** Looks at the pool; changes nothing. */
export async function poolStatus(pool: Pool): Promise<PoolStatus> {
  const state = pool.state === 'making' ? 'unfinished' : await mountState(pool);
  const mounted = state === 'mounted';
  const room = mounted ? await statfs(pool.home) : null;
  return {
    state,
    home: pool.home,
    image: imageOf(pool),
    sizeBytes: pool.sizeBytes,
    key: pool.key,
    keyBesideImage: await isKeyBeside(pool),
    dataAtRest: mounted ? await dataAtRest(pool.home) : null,
    freeBytes: room ? room.bavail * room.bsize : null,
    sparedByOomKiller: await isSpared(pool),
  };
}

async function isSpared(pool: Pool): Promise<boolean | null> {
  const [daemon] = await findDaemons(pool);
  if (!daemon) return null;
  const score = await readFile(`/proc/${daemon.pid}/oom_score_adj`, 'utf8').catch(() => '');
  return score.trim() === '-1000';
}

async function isKeyBeside(pool: Pool): Promise<boolean> {
  if (pool.key === null || !('file' in pool.key)) return false;
  const found = await Promise.all([stat(pool.key.file), stat(imageOf(pool))]).catch(() => null);
  return found !== null && found[0].dev === found[1].dev;
}
