import type { BackupReceipt } from '@borealis/contract';
import type { ControlDatabase } from '../database.js';
import { type Backup, listBackups } from './backup-store.js';

/** A backup as owners and operators see it. */
export function describeBackup({ name, state, receipt, error }: Backup): BackupReceipt {
  return {
    name,
    state,
    takenAt: receipt?.takenAt ?? null,
    seconds: receipt?.seconds ?? null,
    bytes: receipt?.bytes ?? null,
    tables: receipt?.tables ?? null,
    rows: receipt?.rows ?? null,
    proof: receipt?.proof ?? null,
    error,
  };
}

/** All of an add-on, newest first. */
export async function backupsOf(db: ControlDatabase, addonId: string): Promise<BackupReceipt[]> {
  return (await listBackups(db, addonId)).map(describeBackup);
}

/** The newest that was made; null before the first. */
export async function latestBackup(db: ControlDatabase, addonId: string): Promise<BackupReceipt | null> {
  return (await backupsOf(db, addonId)).find(({ takenAt }) => takenAt !== null) ?? null;
}
