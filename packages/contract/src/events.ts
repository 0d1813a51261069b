import { z } from 'zod';

/** Every event that can reach an app's log, with what it tells. Names are those of the product document, but for ours at the end. */
export const EVENT_TYPES = [
  'app-secure-tunnel-created',
  'app-secure-tunnel-destroyed',
  'client-app-credentials-auto-rotated',
  'data-integration-registered',
  'data-integration-deregistered',
  'data-integration-secure-tunnel-created',
  'data-integration-secure-tunnel-destroyed',
  'db-credentials-full-reset',
  'db-failover-started',
  'db-failover-completed',
  'db-restore-initiated',
  'db-storage-limit-violated',
  'db-storage-limit-violation-resolved',
  'db-write-access-revoked',
  'db-write-access-restored',
  'personal-db-password-rotated',
  'personal-db-user-created',
  'personal-secure-tunnel-created',
  'personal-secure-tunnel-destroyed',
  'personal-ssh-user-configured',
  'postgresql-extension-installed',
  'postgresql-extension-removed',
  'plan-change-started',
  'plan-change-completed',
  // Ours:
  'db-backup-completed',
  'db-backup-failed',
  'plan-change-failed',
  'db-minor-upgrade-planned',
  'db-minor-upgrade-started',
  'db-minor-upgrade-completed',
  'db-minor-upgrade-failed',
  'db-major-upgrade-started',
  'db-major-upgrade-completed',
  'db-major-upgrade-failed',
  'db-major-upgrade-cancelled',
  'db-major-upgrade-reverted',
] as const;

export const eventType = z.enum(EVENT_TYPES);
export type EventType = z.infer<typeof eventType>;

/** What `db-restore-initiated` tells in the log of the source. */
export type RestoreInitiated = {
  /** The name of the new add-on. */
  destination: string;
  /** The moment that it is restored to, in UTC; left out: a clone of the present. */
  restore_to_time?: string;
  /** Who asked for it. */
  user: string;
};

/** `source=… event=… key=value`: values with anything but plain characters are quoted, so that a line stays one line. */
export function formatEvent(
  source: string,
  type: EventType,
  attributes: Record<string, string | number | boolean> = {},
): string {
  const quote = (value: string) => (/^[\w.:@/+-]+$/.test(value) ? value : JSON.stringify(value));
  return [
    `source=${source}`,
    `event=${type}`,
    ...Object.entries(attributes).map(([k, v]) => `${k}=${quote(String(v))}`),
  ].join(' ');
}
