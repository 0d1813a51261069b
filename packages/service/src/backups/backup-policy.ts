import { createHash } from 'node:crypto';

/** When backups are made and proven, and how long they are kept. Times are in seconds where nothing else is said. */
export interface BackupPolicy {
  /** The hours of the night, in UTC, over which the add-ons are spread: the first, and how many. */
  night: { begin: number; hours: number };
  /** An add-on that is younger than this at its time of the night waits for the next one: it is still being set up. */
  settle: number;
  /** The newest backup of each of so many days is kept, and of so many weeks; those that were asked for stay as long as the days. */
  keep: { days: number; weeks: number };
  /** A backup that is kept is proven again. */
  proveEvery: number;
  /** Between two attempts; the pause doubles from the first to the longest. */
  retry: { first: number; longest: number };
  /** The owner is told when so many attempts have failed. */
  patience: number;
  /** Between two looks at what is due. */
  tick: number;
}

const DAY = 86_400;

export const BACKUP_POLICY: BackupPolicy = {
  night: { begin: 1, hours: 4 },
  settle: 3600,
  keep: { days: 7, weeks: 4 },
  proveEvery: 7 * DAY,
  retry: { first: 60, longest: 3600 },
  patience: 3,
  tick: 30,
};

/** An add-on's own time of the night that began last, and what the backup of that night is called: `2026-11-23`. */
export function lastNight(addonId: string, now: Date, { night }: BackupPolicy): { name: string; at: Date } {
  const share = createHash('sha256').update(addonId).digest().readUInt32BE(0) / 2 ** 32;
  const offset = night.begin * 3600 + Math.floor(share * night.hours * 3600);
  const day = Math.floor((now.getTime() / 1000 - offset) / DAY) * DAY;
  return { name: new Date(day * 1000).toISOString().slice(0, 10), at: new Date((day + offset) * 1000) };
}

/** Seconds to the next attempt after so many that have failed. */
export function retryPause(tries: number, { retry }: BackupPolicy): number {
  return Math.min(retry.longest, retry.first * 2 ** Math.min(tries - 1, 20));
}
