import type { Strands } from '@borealis/strands';
import { sql } from 'kysely';
import type { AccessPublisher } from '../access/access-publisher.js';
import { lockChangeable } from '../addons/readiness.js';
import type { ControlDatabase, Transaction } from '../database.js';
import { AppError } from '../errors.js';
import type { StoragePolicy } from './storage-policy.js';
import { changeWriteAccess, findStorage, type Storage } from './storage-store.js';

/** The way back for who does not upgrade: a restricted database can be written to for a while, so that its owner can delete. */
export class CleanupWindows {
  constructor(
    private readonly db: ControlDatabase,
    private readonly strands: () => Strands,
    private readonly publisher: AccessPublisher,
    private readonly policy: StoragePolicy,
  ) {}

  /**
   * Opens the window, or finds the one that is open; returns its end when the database can be written to. Throws `notRestricted`,
   * `diskShort`, `windowUsed` with the time of the next one, or `engineBusy`: the window is then open and its time runs.
   */
  async open(addonId: string): Promise<Date> {
    const { clusterId, revision, until } = await this.db.transaction(async (tx) => {
      const addon = await lockChangeable(tx, addonId);
      const storage = await findStorage(tx, addonId);
      if (storage?.status !== 'restricted') throw new AppError('notRestricted');
      const found = { clusterId: addon.cluster_id, revision: storage.change_revision, until: storage.window_until };
      if (storage.isWindowOpen) return found;
      if (storage.reason === 'disk') throw new AppError('diskShort');
      const availableAt = await nextWindow(tx, storage, this.policy);
      if (availableAt) throw new AppError('windowUsed', { availableAt: availableAt.toISOString() });
      return { ...found, ...(await this.#open(tx, addonId)) };
    });
    await this.publisher.publishPatiently(clusterId, revision);
    return until!;
  }

  async #open(tx: Transaction, addonId: string) {
    const { window_until } = await tx.sql
      .updateTable('storage')
      .set({
        window_opened_at: sql<Date>`now()`,
        window_until: sql<Date>`now() + ${this.policy.window} * interval '1 second'`,
        // The end of the window is looked for in time.
        look_at: sql<Date>`least(look_at, now() + ${this.policy.window} * interval '1 second')`,
      })
      .where('addon_id', '=', addonId)
      .returning('window_until')
      .executeTakeFirstOrThrow();
    await this.strands().signal(tx.client, addonId, 'storage');
    const revision = await changeWriteAccess(tx, addonId, 'restore', 'clean-up-window');
    return { revision, until: window_until };
  }
}

/** When the next window may be opened; null when it may be now. */
export async function nextWindow(
  db: Pick<ControlDatabase, 'sql'>,
  { addon_id }: Storage,
  { windowEvery }: StoragePolicy,
): Promise<Date | null> {
  const at = sql<Date>`window_opened_at + ${windowEvery} * interval '1 second'`;
  const row = await db.sql
    .selectFrom('storage')
    .select(at.as('at'))
    .where('addon_id', '=', addon_id)
    .where(at, '>', sql<Date>`now()`)
    .executeTakeFirst();
  return row?.at ?? null;
}
