export {
  type AppliedDatabases,
  type ApplyResult,
  applyRoles,
  type ConnectTo,
  type WantedAccess,
} from './access/apply-roles.js';
export { dropDatabase } from './access/drop-database.js';
export { isTenantDatabase, isTenantRole } from './access/wanted.js';
export { differences } from './backups/compare.js';
export type { Contents } from './backups/contents.js';
export { type Dump, type DumpRequest, dumpDatabase } from './backups/dump.js';
export { adoptPolicies, emptyDatabase, isEmptyDatabase, prepareFill } from './backups/fill-database.js';
export type { Prelude } from './backups/prelude.js';
export { restoreDump } from './backups/restore-dump.js';
export { restoredContents, troublesInLog } from './backups/restored.js';
export { ownedByOthers } from './backups/rights.js';
export { checkIndexes, SCRATCH_SETTINGS, startScratchServer, stopScratchServer } from './backups/scratch-server.js';
export { type ClientToolsRequest, ensureClientTools, findClientTools } from './client-tools/client-tools.js';
export { canFetchClientTools } from './client-tools/fetch.js';
export { CLIENT_PROGRAMS, type ClientProgram, type ClientTools } from './client-tools/tools.js';
export { type Adoption, adoptCopy } from './copies/adopt-copy.js';
export { type CopiedFiles, copiedBytes, listCopiedFiles } from './copies/copied-files.js';
export type { CopyMethod } from './copies/copy-file.js';
export { copyServer, type ServerCopy, type ServerCopyOptions } from './copies/copy-server.js';
export { finishLog, restoreBase } from './copies/restore-base.js';
export { withoutStoreAccess } from './environment.js';
export { type ExtensionCatalogue, extensionCatalogue } from './extensions/catalogue.js';
export { ExtensionError, type ExtensionErrorCode } from './extensions/extension-error.js';
export { installExtension } from './extensions/install.js';
export { extensionsReference } from './extensions/reference.js';
export { removeExtension } from './extensions/remove.js';
export { applyAgain, carryOver, prepareCarryOver } from './major/carry-over.js';
export { carrySettings } from './major/carry-settings.js';
export { guardSchema, unguardSchema } from './major/guard.js';
export { dropAllNotes } from './major/notes.js';
export { findNotCarried } from './major/obstacles.js';
export { caughtUp, logEnd, SyncLost, type SyncProgress, syncProgress } from './major/progress.js';
export { findNoSlots } from './major/room-for-slots.js';
export { copySchema, type SchemaCopy } from './major/schema.js';
export { prepareSource, undoSource } from './major/source.js';
export {
  dropSlots,
  dropSubscriptions,
  ensureSlot,
  type SubscribeOptions,
  subscribe,
  writeSubscriptionPassword,
} from './major/subscribe.js';
export {
  beginWayBack,
  endWayBack,
  hasWayBack,
  openWayBack,
  prepareWayBack,
} from './major/way-back.js';
export { ensureRelease, isCached, type ReleaseRequest } from './release/cache.js';
export { majorOf, minorOf, offeredMajors, offeredRelease, pinnedRelease, type ReleasePin } from './release/offers.js';
export { cacheDirectory, supportedPlatform } from './release/platform.js';
export type { Release, ReleaseFamily } from './release/release.js';
export { ReleaseError, type ReleaseErrorCode } from './release/release-error.js';
export { systemVersion } from './release/system-install.js';
export { fenceServer } from './replication/fence.js';
export { isInRecovery, promote, proveWritable } from './replication/promote.js';
export { ensureReplicationRole } from './replication/role.js';
export { dropSlot, listSlots, renewSlot } from './replication/slots.js';
export { copyStandby, writePasswordFile } from './replication/standby.js';
export { startsAgain } from './replication/standby-limits.js';
export {
  protectedFrom,
  type ReplicationStatus,
  readReplication,
  receivedUpTo,
  type StandbyStatus,
  synchronousNames,
} from './replication/status.js';
export { writeConfiguration } from './server/configuration.js';
export { connect, databaseSizes } from './server/connection.js';
export { damageIn } from './server/damage.js';
export { createDataDirectory, placeDataDirectory } from './server/data-directory.js';
export { findServer, isServerAlive, type ServerIdentity } from './server/identity.js';
export { trimLog } from './server/log-file.js';
export { pendingSettings } from './server/pending-settings.js';
export { hasLongTransaction, runningVersion, runsBy, writeAhead } from './server/planned-stop.js';
export { reload } from './server/reload.js';
export { settingsFor } from './server/settings.js';
export type { Following, OsUser, ServerAccess, ServerSpec } from './server/spec.js';
export { type StartOptions, StartTimeout, startServer } from './server/start.js';
export { type StopOptions, stopServer } from './server/stop.js';
export { closedFile, isInUse } from './server/untouched.js';
export { isArchiving, pathInCommand } from './server/wal-archiving.js';
export { sharedServerSettings, TENANT_BOUNDS, type TenantBounds } from './tenants/bounds.js';
export { endProcesses, readServerUse, type ServerUse, type TenantProcess } from './tenants/server-use.js';
export { type Examination, examineServer, isMachinesFault, tryServer } from './upgrades/try-server.js';
export { CHANGE_KINDS, type ChangeKind, type FoundChange } from './wal/changes.js';
export { type ChangeSearch, type ChangesFound, findChanges, type LogSegment } from './wal/find-changes.js';
export { WalError } from './wal/wal-error.js';
