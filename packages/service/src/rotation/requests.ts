import { setTimeout as sleep } from 'node:timers/promises';
import type { Strands } from '@borealis/strands';
import { bumpRevision } from '../access/revision.js';
import { type Addon, findAddon, lockAddon } from '../addons/addon-store.js';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import { setRotation } from './rotation-store.js';

/** A request waits this long for its reset; what is not done by then goes on without it. */
const PATIENCE_MS = 20_000;
const RESET = 'maintenance-db-credentials-full-reset';

/** Renewals that somebody asks for. */
export class RotationRequests {
  constructor(
    private readonly db: ControlDatabase,
    private readonly strands: () => Strands,
  ) {}

  /** Starts a rotation now. Throws `notReady`, `inMaintenance`, or `rotating` while the overlap of the last one lasts. */
  async rotate(addonId: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      refuseUnlessAvailable(await lockAddon(tx, addonId));
      if (!(await setRotation(tx, addonId, { state: 'requested', kind: 'rotation' }, ['waiting', 'requested'])))
        throw new AppError('rotating');
      await this.strands().signal(tx.client, addonId, 'rotate');
    });
  }

  /**
   * Makes every credential of the app and of its people anew, without an overlap. Returns when it is done, or after 20 s: once it
   * is asked for it is finished whatever happens. Throws `notReady` or `inMaintenance`.
   */
  async reset(addonId: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      refuseUnlessAvailable(await lockAddon(tx, addonId));
      await tx.sql.updateTable('addon').set({ status: RESET }).where('id', '=', addonId).execute();
      // Wherever a rotation stands: what it was about to announce may be known already, so that is made anew too.
      await setRotation(tx, addonId, { kind: 'reset', state: 'requested' });
      await this.strands().signal(tx.client, addonId, 'rotate');
      // An overlap ends here, and with it what the access document lists.
      await bumpRevision(tx.sql, addonId);
    });
    const end = Date.now() + PATIENCE_MS;
    while (Date.now() < end && (await findAddon(this.db, addonId))?.status === RESET) await sleep(100);
  }
}

function refuseUnlessAvailable(addon: Addon | null): void {
  if (!addon || addon.destroy_requested_at) throw new AppError('noAddon');
  if (addon.status === 'maintenance-postgresql-major-version-upgrade') throw new AppError('upgradeRunning');
  if (addon.status.startsWith('maintenance')) throw new AppError('inMaintenance');
  if (addon.status !== 'available') throw new AppError('notReady');
}
