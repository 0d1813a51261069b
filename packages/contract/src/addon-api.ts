import { z } from 'zod';

/** The add-on API, as `heroku borealis-pg:…` calls it under `/heroku/resources/{add-on name}`. */

export const ADDON_STATUSES = [
  'requested',
  'awaiting',
  'provisioning',
  'configuring',
  'available',
  'maintenance',
  'maintenance-db-credentials-full-reset',
  'maintenance-postgresql-major-version-upgrade',
  'maintenance-plan-change',
  'maintenance-restore-db-write-access',
  'maintenance-revoke-db-write-access',
] as const;
export type AddonStatus = (typeof ADDON_STATUSES)[number];

/** `GET /heroku/resources/{name}`: also answered while the add-on is being provisioned. */
export const addonInfo = z.object({
  addonName: z.string(),
  appDbName: z.string().nullable(),
  createdAt: z.string(),
  dbStorageMaxBytes: z.number(),
  dbStorageUsageBytes: z.number(),
  dbTenancyType: z.enum(['isolated', 'shared']),
  planName: z.string(),
  postgresVersion: z.string(),
  region: z.string(),
  replicaQuantity: z.number(),
  restoreSourceAddonName: z.string().nullable(),
  status: z.enum(ADDON_STATUSES),
  storageComplianceDeadline: z.string().nullable(),
  storageComplianceStatus: z.enum(['ok', 'proximity-warning', 'violating', 'restricted']),
});
export type AddonInfo = z.infer<typeof addonInfo>;

/** `POST …/personal-ssh-users`: a key good for one session. `caCertificate` is ours, as below: `run` asks for no database user. */
export const personalSshUser = z.object({
  sshHost: z.string(),
  sshPort: z.number(),
  sshUsername: z.string(),
  sshPrivateKey: z.string(),
  publicSshHostKey: z.string(),
  caCertificate: z.string().optional(),
});
export type PersonalSshUser = z.infer<typeof personalSshUser>;

export const personalDbUserRequest = z.object({ enableWriteAccess: z.boolean() });

/** `POST …/personal-db-users`: a database password good for one session. `caCertificate` is ours, the original has none. */
export const personalDbUser = z.object({
  dbHost: z.string(),
  dbPort: z.number(),
  dbName: z.string(),
  dbUsername: z.string(),
  dbPassword: z.string(),
  caCertificate: z.string().optional(),
});
export type PersonalDbUser = z.infer<typeof personalDbUser>;

/** Every refusal of the add-on API. */
export const addonApiError = z.object({
  reason: z.string(),
  resourceType: z.string().optional(),
  dependencies: z.array(z.string()).optional(),
});
