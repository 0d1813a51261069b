import { z } from 'zod';
import { MAJOR_UPGRADE_STAGES } from './major-upgrade.js';
import { POSTGRES_MAJORS } from './names.js';

/** Major versions of an add-on's database, under `/heroku/resources/{add-on name}/pg-version-upgrades`. */

const major = z.enum(POSTGRES_MAJORS);

/** `GET …/pg-version-upgrades`. */
export const pgVersionUpgrades = z.object({
  currentPgMajorVersion: z.string(),
  /** The next one there is, or the one that the upgrade under way leads to; null when there is none. */
  nextPgMajorVersion: z.string().nullable(),
  upgradeStatus: z.enum(['available', 'upgrading', 'maximum']),
  /** Ours: every version that an upgrade can lead to, the oldest first. */
  availablePgMajorVersions: z.array(z.string()).optional(),
  /** Ours: true where the service begins it, after an e-mail, since others share the cluster. */
  automatic: z.boolean().optional(),
  /** Ours: when the one that was announced begins. ISO 8601. */
  announcedFor: z.string().nullish(),
  /** Ours: how far the one under way has come; null when there is none. */
  progress: z
    .object({
      /** Null: it has not begun, or is just being given up. */
      stage: z.enum(MAJOR_UPGRADE_STAGES).nullable(),
      sentence: z.string(),
    })
    .nullish(),
  /** Ours: what came of the last one; null when there was none. */
  last: z
    .object({
      outcome: z.enum(['done', 'reverted', 'failed', 'cancelled']),
      from: z.string(),
      to: z.string(),
      endedAt: z.string(),
      /** Why it failed. */
      findings: z.array(z.string()),
      /** Until when the operator can go back. ISO 8601. */
      revertibleUntil: z.string().nullable(),
    })
    .nullish(),
});
export type PgVersionUpgrades = z.infer<typeof pgVersionUpgrades>;

/** `POST …/pg-version-upgrades`: the original sends no body. Ours: to which version; the next one when it is left out. */
export const pgVersionUpgradeRequest = z.object({ targetPgMajorVersion: major.optional() }).nullish();
export const pgVersionUpgradeStarted = z.object({
  currentPgMajorVersion: z.string(),
  targetPgMajorVersion: z.string(),
});
export type PgVersionUpgradeStarted = z.infer<typeof pgVersionUpgradeStarted>;

/** The operator announces the upgrade of a shared cluster; it begins after so many seconds. */
export const majorUpgradeAnnouncement = z.object({
  major,
  inSeconds: z
    .number()
    .int()
    .min(0)
    .max(90 * 86_400),
});
export const announcedMajorUpgrade = z.object({
  clusterId: z.string(),
  /** Majors. */
  from: z.string(),
  to: z.string(),
  /** ISO 8601. */
  beginsAfter: z.string(),
  /** The names of all add-ons in the cluster. */
  addons: z.array(z.string()),
});
export type AnnouncedMajorUpgrade = z.infer<typeof announcedMajorUpgrade>;

/** `DELETE …/pg-version-upgrades/current`. */
export const pgVersionUpgradeCancelled = z.object({});
