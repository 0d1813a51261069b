import type { AddonInfo } from '@borealis/contract';
import type { Addon } from '../addons/addon-store.js';
import type { ControlDatabase } from '../database.js';
import { nextWindow } from './cleanup-windows.js';
import { type StoragePolicy, storageLimit } from './storage-policy.js';
import { findStorage } from './storage-store.js';

type StorageInfo = Pick<
  AddonInfo,
  | 'dbStorageMaxBytes'
  | 'dbStorageUsageBytes'
  | 'storageComplianceDeadline'
  | 'storageComplianceStatus'
  | 'cleanupWindowAvailableAt'
  | 'cleanupWindowUntil'
>;

/** What an add-on's owner is shown of its storage: usage as last measured, and how it stands to the limit. */
export async function describeStorage(db: ControlDatabase, addon: Addon, policy: StoragePolicy): Promise<StorageInfo> {
  const storage = await findStorage(db, addon.id);
  const { status = 'ok', deadline, reason, isWindowOpen } = storage ?? {};
  const canClean = status === 'restricted' && reason !== 'disk' && !isWindowOpen;
  return {
    dbStorageMaxBytes: storageLimit(addon.plan, policy),
    dbStorageUsageBytes: Number(storage?.usage_bytes ?? 0),
    storageComplianceStatus: status,
    storageComplianceDeadline: (status === 'violating' && deadline?.toISOString()) || null,
    cleanupWindowAvailableAt: canClean ? ((await nextWindow(db, storage!, policy)) ?? new Date()).toISOString() : null,
    cleanupWindowUntil: (isWindowOpen && storage?.window_until?.toISOString()) || null,
  };
}
