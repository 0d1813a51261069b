import type { AddonInfo, AddonStatus } from '@borealis/contract';
import { fieldList, localTime } from './text.js';

const STATUSES: Record<AddonStatus, string> = {
  requested: 'Requested',
  awaiting: 'Provisioning',
  provisioning: 'Provisioning',
  configuring: 'Provisioning',
  available: 'Available',
  maintenance: 'Undergoing maintenance',
  'maintenance-db-credentials-full-reset': 'Resetting DB credentials',
  'maintenance-postgresql-major-version-upgrade': 'Upgrading PostgreSQL major version',
  'maintenance-plan-change': 'Changing add-on plan',
  'maintenance-restore-db-write-access': 'Restoring DB write access',
  'maintenance-revoke-db-write-access': 'Revoking DB write access',
};
const COMPLIANCE: Record<AddonInfo['storageComplianceStatus'], string> = {
  ok: 'OK',
  'proximity-warning': 'Proximity Warning',
  violating: 'Violating',
  restricted: 'Restricted',
};
const TENANCY: Record<AddonInfo['dbTenancyType'], string> = { isolated: 'Single Tenant', shared: 'Multi-tenant' };
const REGIONS: Record<string, string> = {
  'us-east-1': 'N. Virginia (United States)',
  'us-west-2': 'Oregon (United States)',
  'eu-west-1': 'Ireland (Europe)',
  'eu-central-1': 'Frankfurt (Europe)',
  'ap-northeast-1': 'Tokyo (Asia Pacific)',
  'ap-southeast-2': 'Sydney (Asia Pacific)',
};
const NONE = 'N/A';

/** Everything the service says about an add-on, one aligned line each, times in the reader's own zone. */
export function describeAddon(info: AddonInfo): string {
  return fieldList([
    ['Add-on Name', info.addonName],
    ['Status', STATUSES[info.status]],
    ['Region', REGIONS[info.region] ?? info.region],
    ['Plan Name', info.planName],
    ['Environment', TENANCY[info.dbTenancyType]],
    ['PostgreSQL Version', info.postgresVersion + (info.postgresBuild ? ' (build of the system)' : '')],
    ['Maximum Storage', gibibytes(info.dbStorageMaxBytes, 0, 2)],
    ['Storage Used', gibibytes(info.dbStorageUsageBytes, 1, 3)],
    ['Read-only Replicas', String(info.replicaQuantity)],
    ['App DB Name', info.appDbName ?? '(pending)'],
    ['Created At', localTime(info.createdAt)],
    ['Restored/Cloned From Add-on', info.restoreSourceAddonName ?? NONE],
    ['Storage Compliance Status', COMPLIANCE[info.storageComplianceStatus]],
    [
      'Storage Compliance Deadline',
      info.storageComplianceDeadline === null ? NONE : localTime(info.storageComplianceDeadline),
    ],
    ...cleanupWindow(info),
    ...dataAtRest(info),
    ...offsiteBackup(info),
  ]);
}

/** The way back to a writable database; said only while there is one to take. */
function cleanupWindow({ cleanupWindowUntil, cleanupWindowAvailableAt }: AddonInfo): [string, string][] {
  if (cleanupWindowUntil) return [['Clean-up Window', `Open until ${localTime(cleanupWindowUntil)}`]];
  if (!cleanupWindowAvailableAt) return [];
  const isDue = Date.parse(cleanupWindowAvailableAt) <= Date.now();
  const from = isDue ? 'now' : `from ${localTime(cleanupWindowAvailableAt)} on`;
  return [['Clean-up Window', `Can be opened ${from} (borealis-pg:storage:cleanup)`]];
}

/** Said by a service that has looked. */
function dataAtRest({ dataAtRest: found }: AddonInfo): [string, string][] {
  if (!found) return [];
  const copies = found.copyOnWrite ? 'copies share blocks' : 'copies take their whole size';
  return [['Data at Rest', `${found.encryption ?? 'Not encrypted'}, ${copies}`]];
}

/** Said by a service that keeps one. */
function offsiteBackup({ offsiteBackup: found }: AddonInfo): [string, string][] {
  if (!found) return [];
  const behind = found.secondsBehind === null ? 'Not complete yet' : `${found.secondsBehind} seconds behind`;
  const waiting = found.waitingDumps ? `, ${found.waitingDumps} nightly backups not there yet` : '';
  return [['Off-site Backup', behind + waiting]];
}

function gibibytes(bytes: number, digits: number, digitsBelowOne: number): string {
  const value = bytes / 1024 ** 3;
  return `${value.toFixed(value < 1 ? digitsBelowOne : digits)} GiB`;
}
