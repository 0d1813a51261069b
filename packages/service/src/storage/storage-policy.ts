import { findPlan } from '@borealis/contract';
import type { Capacity } from '@borealis/engine';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const HOUR = 3600;

/** When something happens to a database that grows. Shares are of the storage limit, times are in seconds. */
export interface StoragePolicy {
  /** In place of the plan's own limit, in bytes; for tests, which cannot fill a gibibyte. */
  limitBytes: number | null;
  warnAt: number;
  /** What has been warned about is over below this. */
  warnEnd: number;
  violateAt: number;
  /** A violation, and the restriction that follows it, is over below this. */
  violateEnd: number;
  /** Restricted at once from here on. */
  excessAt: number;
  /** From the violation to the restriction. */
  grace: number;
  /** How long a clean-up window is open, and how often one may be opened. */
  window: number;
  windowEvery: number;
  /** Pauses between two measurements, and the speed in bytes a second that decides between them. */
  look: { shortest: number; longest: number; speed: number };
  /** Between two looks at the disk. */
  tick: number;
  /** Less free than this share, but at least `least` and at most `most` bytes, is too little; who grew by less than `growth` is not to blame. */
  disk: { share: number; least: number; most: number; growth: number };
}

/** What holds when the operator has set nothing else. */
export const STORAGE_POLICY: StoragePolicy = {
  limitBytes: null,
  warnAt: 0.9,
  warnEnd: 0.85,
  violateAt: 1,
  violateEnd: 0.95,
  excessAt: 1.5,
  grace: 7 * 24 * HOUR,
  window: HOUR / 2,
  windowEvery: 24 * HOUR,
  look: { shortest: 15, longest: 300, speed: 16 * MIB },
  tick: 5,
  disk: { share: 0.05, least: GIB, most: 10 * GIB, growth: 64 * MIB },
};

/** The most that a database of this plan should take, in bytes. */
export function storageLimit(plan: string, policy: StoragePolicy): number {
  return policy.limitBytes ?? findPlan(plan)!.storageGiB * GIB;
}

/** Seconds to the next measurement: nobody can fill what is left much sooner. */
export function nextLook(usage: number, limit: number, { look, violateAt, excessAt }: StoragePolicy): number {
  const next = limit * (usage < limit * violateAt ? violateAt : excessAt);
  return Math.min(Math.max((next - usage) / look.speed, look.shortest), look.longest);
}

/** `short`: PostgreSQL may run out of disk soon. `ample`: so far from it that a restriction for that reason can end. */
export function diskState({ totalBytes, freeBytes }: Capacity, { disk }: StoragePolicy): 'short' | 'enough' | 'ample' {
  const reserve = Math.min(Math.max(totalBytes * disk.share, disk.least), disk.most);
  if (freeBytes < reserve) return 'short';
  return freeBytes < 2 * reserve ? 'enough' : 'ample';
}
