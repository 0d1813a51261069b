import { sql } from 'kysely';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import { wantBackup } from './backup-store.js';

/** Backups that a person asks for. */
export class BackupRequests {
  constructor(
    private readonly db: ControlDatabase,
    private readonly wake: () => void,
  ) {}

  /** Asks for a backup of now, ahead of all others; returns its name. Throws `noAddon` and `notReady`. */
  async make(addonId: string): Promise<string> {
    const name = await this.db.transaction(async (tx) => {
      const addon = await tx.sql
        .selectFrom('addon')
        .select(['available_at', sql<string>`to_char(now() at time zone 'UTC', 'YYYY-MM-DD-HH24MISS')`.as('name')])
        .where('id', '=', addonId)
        .where('destroy_requested_at', 'is', null)
        .forUpdate()
        .executeTakeFirst();
      if (!addon) throw new AppError('noAddon');
      if (!addon.available_at) throw new AppError('notReady');
      await wantBackup(tx, addonId, addon.name, 'request');
      return addon.name;
    });
    this.wake();
    return name;
  }

  /** Asks to prove a backup again now; throws `noBackup`. */
  async prove(addonId: string, name: string): Promise<void> {
    const result = await this.db.sql
      .updateTable('backup')
      .set({ due_at: sql<Date>`now()`, tries: 0 })
      .where('addon_id', '=', addonId)
      .where('name', '=', name)
      .where('receipt', 'is not', null)
      .executeTakeFirst();
    if (result.numUpdatedRows === 0n) throw new AppError('noBackup');
    this.wake();
  }
}
