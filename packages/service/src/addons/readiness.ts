import type { AddonStatus } from '@borealis/contract';
import type { Transaction } from '../database.js';
import { AppError } from '../errors.js';
import { type Addon, lockAddon } from './addon-store.js';

const PROVISIONING: readonly AddonStatus[] = ['requested', 'awaiting', 'provisioning', 'configuring'];

/** True once the add-on has its database, whatever is being done to it. */
export function isProvisioned({ status }: Addon): boolean {
  return !PROVISIONING.includes(status);
}

/** Throws `notReady` for an add-on that has no database yet. */
export function assertProvisioned(addon: Addon): void {
  if (!isProvisioned(addon)) throw new AppError('notReady');
}

/** Throws the refusal for an add-on that cannot be changed now: it has no database yet, or is being upgraded or reset. */
export function assertChangeable(addon: Addon): void {
  assertProvisioned(addon);
  if (addon.status === 'maintenance-db-credentials-full-reset') throw new AppError('resetting');
  if (addon.status === 'maintenance-postgresql-major-version-upgrade') throw new AppError('upgradeRunning');
}

/** Throws `writeAccessRevoked` for an add-on whose database can only be read: asked before anything that lets somebody write. */
export function assertWriteAccess({ write_revoked }: Addon): void {
  if (write_revoked) throw new AppError('writeAccessRevoked');
}

/** Locks the add-on for a change of what people may use; throws `noAddon` when it is being removed, and as `assertChangeable`. */
export async function lockChangeable(tx: Transaction, id: string): Promise<Addon> {
  const addon = await lockAddon(tx, id);
  if (!addon || addon.destroy_requested_at) throw new AppError('noAddon');
  assertChangeable(addon);
  return addon;
}
