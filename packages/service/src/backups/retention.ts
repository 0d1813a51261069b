import type { BackupPolicy } from './backup-policy.js';

export interface KeptBackup {
  name: string;
  takenAt: Date;
  reason: 'night' | 'request';
  /** False: it was found to be bad. */
  isGood: boolean;
  isProven: boolean;
}

const DAY_MS = 86_400_000;
// The first of January 1970 was a Thursday: weeks begin on Mondays.
const dayOf = ({ takenAt }: KeptBackup) => Math.floor(takenAt.getTime() / DAY_MS);
const weekOf = (backup: KeptBackup) => Math.floor((dayOf(backup) + 3) / 7);

/**
 * Backups that the policy does not keep, oldest first. The newest that was proven always stays; what was found to be bad takes the place
 * of no good one, and stays as long as the days do.
 */
export function superfluousBackups(backups: readonly KeptBackup[], { keep }: BackupPolicy, now: Date): KeptBackup[] {
  const newest = backups.toSorted((a, b) => b.takenAt.getTime() - a.takenAt.getTime());
  const good = newest.filter(({ isGood }) => isGood);
  const kept = new Set([...newestOf(good, dayOf, keep.days), ...newestOf(good, weekOf, keep.weeks)]);
  const proven = good.find(({ isProven }) => isProven);
  if (proven) kept.add(proven);
  const isYoung = ({ takenAt }: KeptBackup) => now.getTime() - takenAt.getTime() < keep.days * DAY_MS;
  return newest
    .filter((backup) => !kept.has(backup) && !((backup.reason === 'request' || !backup.isGood) && isYoung(backup)))
    .reverse();
}

/** The newest of each period, for so many periods that have one. */
function newestOf(newest: readonly KeptBackup[], period: (backup: KeptBackup) => number, count: number): KeptBackup[] {
  const first = new Map<number, KeptBackup>();
  for (const backup of newest) if (!first.has(period(backup))) first.set(period(backup), backup);
  return [...first.values()].slice(0, count);
}
