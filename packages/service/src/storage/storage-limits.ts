import type { Strands } from '@borealis/strands';
import { sql } from 'kysely';
import { type Addon, lockAddon } from '../addons/addon-store.js';
import type { ControlDatabase, Transaction } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import { writeMail } from '../mail/mailbox.js';
import { nearLimit, noticeFacts, overLimit, sizes } from './notices.js';
import { nextLook, type StoragePolicy, storageLimit } from './storage-policy.js';
import { changeWriteAccess, findStorage, keepUsage, lookAgain, type Storage } from './storage-store.js';
import { judge, type Verdict } from './verdict.js';

type Verdicts = NonNullable<Verdict>;

/** Decides what follows from what a database takes. A decision is one transaction; the add-on's strand then carries it out. */
export class StorageLimits {
  constructor(
    private readonly db: ControlDatabase,
    private readonly strands: () => Strands,
    readonly policy: StoragePolicy,
  ) {}

  /** Takes a measurement of an available add-on over, with everything that follows from it. */
  async take(addonId: string, bytes: number, isDiskAmple = false): Promise<void> {
    await this.db.transaction(async (tx) => {
      const addon = await lockAddon(tx, addonId);
      if (!addon?.available_at || addon.destroy_requested_at) return;
      await keepUsage(tx, addonId, bytes);
      const storage = (await findStorage(tx, addonId))!;
      const limit = storageLimit(addon.plan, this.policy);
      const verdict = judge({ ...storage, usage: bytes, limit, isDiskAmple }, this.policy);
      if (verdict) await this.#follow(tx, addon, storage, verdict);
      await lookAgain(tx, addonId, nextLook(bytes, limit, this.policy));
    });
  }

  /** Restricts an add-on because the disk is nearly full, and counts everybody's growth from here; false when it cannot be. */
  async restrictForDisk(addonId: string): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      const addon = await lockAddon(tx, addonId);
      if (!addon?.available_at || addon.destroy_requested_at || addon.write_revoked) return false;
      const isOver = (await findStorage(tx, addonId))?.status === 'restricted';
      // One that is over its limit anyway only loses its clean-up window, and one that violates it keeps its deadline.
      await setStorage(tx, addonId, isOver ? { window_until: null } : { status: 'restricted', reason: 'disk' });
      // A restriction frees nothing: only who goes on growing from here is the next one.
      await tx.sql
        .updateTable('storage')
        .set({ before_bytes: sql<string>`usage_bytes`, before_at: sql<Date>`now()` })
        .execute();
      await this.#change(tx, addonId, 'revoke', 'disk');
      return true;
    });
  }

  async #follow(tx: Transaction, addon: Addon, storage: Storage, verdict: Verdicts): Promise<void> {
    if (verdict.to !== 'restricted') {
      if (storage.status === 'restricted' || storage.status === 'violating') await this.#resolve(tx, addon, storage);
      return this.#enter(tx, addon, storage, verdict.to);
    }
    if ('endWindow' in verdict) {
      await setStorage(tx, addon.id, { window_until: null });
      return this.#change(tx, addon.id, 'revoke', 'clean-up-window-ended');
    }
    const { reason } = verdict;
    if (storage.status !== 'violating') await this.#violated(tx, addon, storage, null);
    await setStorage(tx, addon.id, { status: 'restricted', reason, deadline: null });
    return this.#change(tx, addon.id, 'revoke', reason);
  }

  async #enter(tx: Transaction, addon: Addon, storage: Storage, status: 'ok' | 'proximity-warning' | 'violating') {
    await setStorage(tx, addon.id, { status, reason: null, ...(status !== 'violating' && { deadline: null }) });
    // On the way down a warning would be no news.
    if (status === 'proximity-warning' && storage.status === 'ok')
      await writeMail(tx.sql, addon.id, nearLimit(noticeFacts(addon, storage, this.policy)));
    // One that the disk made read-only meanwhile has its deadline already.
    if (status !== 'violating' || storage.deadline) return;
    const { deadline } = await tx.sql
      .updateTable('storage')
      .set({ deadline: sql<Date>`now() + ${this.policy.grace} * interval '1 second'` })
      .where('addon_id', '=', addon.id)
      .returning('deadline')
      .executeTakeFirstOrThrow();
    await this.#violated(tx, addon, storage, deadline);
    await writeMail(tx.sql, addon.id, overLimit({ ...noticeFacts(addon, storage, this.policy), deadline: deadline! }));
  }

  async #violated(tx: Transaction, addon: Addon, storage: Storage, deadline: Date | null): Promise<void> {
    const attributes = { ...sizes(addon, storage, this.policy), ...(deadline && { deadline: deadline.toISOString() }) };
    await recordEvent(tx.sql, { addonId: addon.id, type: 'db-storage-limit-violated', attributes });
  }

  async #resolve(tx: Transaction, addon: Addon, storage: Storage): Promise<void> {
    await setStorage(tx, addon.id, { window_until: null });
    if (storage.reason !== 'disk') {
      const attributes = sizes(addon, storage, this.policy);
      await recordEvent(tx.sql, { addonId: addon.id, type: 'db-storage-limit-violation-resolved', attributes });
    }
    if (addon.write_revoked) await this.#change(tx, addon.id, 'restore', 'resolved');
  }

  async #change(tx: Transaction, addonId: string, change: 'revoke' | 'restore', why: string): Promise<void> {
    await this.strands().signal(tx.client, addonId, 'storage');
    await changeWriteAccess(tx, addonId, change, why);
  }
}

async function setStorage(
  tx: Transaction,
  addonId: string,
  values: Partial<Pick<Storage, 'status' | 'reason' | 'deadline' | 'window_until'>>,
): Promise<void> {
  await tx.sql.updateTable('storage').set(values).where('addon_id', '=', addonId).execute();
}
