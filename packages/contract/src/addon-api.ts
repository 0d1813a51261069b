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
  /** Ours: left out where it is Borealis' own build. */
  postgresBuild: z.literal('system').optional(),
  region: z.string(),
  replicaQuantity: z.number(),
  restoreSourceAddonName: z.string().nullable(),
  status: z.enum(ADDON_STATUSES),
  storageComplianceDeadline: z.string().nullable(),
  storageComplianceStatus: z.enum(['ok', 'proximity-warning', 'violating', 'restricted']),
  /** Ours: from when on a clean-up window can be opened; null when it cannot be or need not be. */
  cleanupWindowAvailableAt: z.string().nullish(),
  /** Ours: the end of the clean-up window that is open. */
  cleanupWindowUntil: z.string().nullish(),
  /** Ours: what was found below the cluster's files; left out while the engine cannot tell. */
  dataAtRest: z
    .object({
      /** `AES-256-XTS (LUKS)`; null when nothing that could be found encrypts them. */
      encryption: z.string().nullable(),
      copyOnWrite: z.boolean(),
    })
    .optional(),
  /** Ours: the backup that survives the machine; left out where none is kept, and while the engine cannot tell. */
  offsiteBackup: z
    .object({
      /** Everything up to this moment is there; null while nothing can be made from it yet. */
      upTo: z.string().nullable(),
      secondsBehind: z.number().nullable(),
      /** The moment of the newest nightly backup there; null when there is none. */
      newestDump: z.string().nullish(),
      /** Nightly backups that are complete on the machine, and not there yet. */
      waitingDumps: z.number().optional(),
    })
    .optional(),
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

/** `GET …/pg-extensions`. */
export const installedExtensions = z.object({
  extensions: z.array(z.object({ name: z.string(), schema: z.string(), version: z.string() })),
});
export type InstalledExtensions = z.infer<typeof installedExtensions>;

/** `POST …/pg-extensions`. */
export const extensionRequest = z.object({ pgExtensionName: z.string().min(1).max(63) });
export const extensionInstalled = z.object({ pgExtensionSchema: z.string(), pgExtensionVersion: z.string() });
export type ExtensionInstalled = z.infer<typeof extensionInstalled>;

/** `GET …/data-integrations`. */
export const dataIntegrations = z.object({
  integrations: z.array(
    z.object({
      name: z.string(),
      dbUsername: z.string(),
      sshUsername: z.string(),
      writeAccess: z.boolean(),
      createdAt: z.string(),
    }),
  ),
});
export type DataIntegrations = z.infer<typeof dataIntegrations>;

/** `POST …/data-integrations`: name and key are checked by the service, so that a refusal says what is allowed. */
export const integrationRequest = z.object({
  integrationName: z.string().max(1000),
  sshPublicKey: z.string().max(20_000),
  enableWriteAccess: z.boolean().default(false),
});
export const integrationRegistered = z.object({
  dbHost: z.string(),
  dbPort: z.number(),
  dbName: z.string(),
  dbUsername: z.string(),
  dbPassword: z.string(),
  sshHost: z.string(),
  sshPort: z.number(),
  sshUsername: z.string(),
  publicSshHostKey: z.string(),
});
export type IntegrationRegistered = z.infer<typeof integrationRegistered>;

/** `GET …/db-users`: `displayName` is null for the app's own user. */
export const dbUsers = z.object({
  users: z.array(
    z.object({
      displayName: z.string().nullable(),
      readOnlyUsername: z.string(),
      readWriteUsername: z.string(),
      userType: z.enum(['app', 'personal']),
    }),
  ),
});
export type DbUsers = z.infer<typeof dbUsers>;

/** A backup and what was found out about it; null is what is not known yet. Times are ISO 8601 in UTC. */
export const backupReceipt = z.object({
  name: z.string(),
  /** `failed`: it was found to be bad. */
  state: z.enum(['wanted', 'made', 'proven', 'failed']),
  /** The moment that it shows. */
  takenAt: z.string().nullable(),
  seconds: z.number().nullable(),
  bytes: z.number().nullable(),
  tables: z.number().nullable(),
  rows: z.number().nullable(),
  /** The last time that it was restored completely and compared; `failure` is null when all was equal. */
  proof: z
    .object({
      at: z.string(),
      seconds: z.number(),
      failure: z.string().nullable(),
      checked: z.object({
        tables: z.number(),
        rows: z.number(),
        objects: z.number(),
        indexes: z.number(),
        sequences: z.number().optional(),
      }),
    })
    .nullable(),
  /** Why the last attempt to make or prove it failed; it is tried again. */
  error: z.string().nullable(),
});
export type BackupReceipt = z.infer<typeof backupReceipt>;

/** How a base and the log since were restored in a server that was thrown away, and read completely there. */
export const baseReceipt = z.object({
  /** When it ended: ISO 8601 in UTC. */
  at: z.string(),
  seconds: z.number(),
  /** The moments at which the copying of the base ended, and to which it was brought: ISO 8601 in UTC to the microsecond. */
  base: z.string(),
  upTo: z.string(),
  /** What the base takes on the disk, or would without shared blocks. */
  bytes: z.number(),
  /** What is wrong with it or with the log since, as a sentence; null: nothing. */
  failure: z.string().nullable(),
  /** What was read: the tables of all databases, PostgreSQL's own with them, their rows, and the indexes that were compared with them. */
  checked: z.object({ databases: z.number(), tables: z.number(), rows: z.number(), indexes: z.number() }),
});
export type BaseReceipt = z.infer<typeof baseReceipt>;

/** `GET …/restore-capabilities`: times are ISO 8601 in UTC to the microsecond, null while no moment can be restored. */
export const restoreCapabilities = z.object({
  cloneSupported: z.boolean(),
  restoreSupported: z.boolean(),
  earliestRestorableTime: z.string().nullable(),
  latestRestorableTime: z.string().nullable(),
  /** Ours: the newest nightly backup; null before the first. */
  latestBackup: backupReceipt.nullish(),
  /** Ours: the last trial of what restores to a moment begin with; null before the first. */
  latestRestoreProof: baseReceipt.nullish(),
});
export type RestoreCapabilities = z.infer<typeof restoreCapabilities>;

/** `POST …/restore-tokens`: what a new add-on becomes a copy with, as its option `restore-token`. */
export const restoreToken = z.object({ restoreToken: z.string() });

/** What every deletion answers. */
export const deletion = z.object({ success: z.literal(true) });

/** `POST …/cleanup-window`: until when a database that is restricted for its size may be written to. ISO 8601. */
export const cleanupWindow = z.object({ until: z.string() });
export type CleanupWindow = z.infer<typeof cleanupWindow>;

/** Every refusal of the add-on API. */
export const addonApiError = z.object({
  reason: z.string(),
  resourceType: z.string().optional(),
  dependencies: z.array(z.string()).optional(),
});
export type AddonApiError = z.infer<typeof addonApiError>;
