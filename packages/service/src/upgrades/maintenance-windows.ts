import type { MaintenanceWindow, MaintenanceWindowAnswer } from '@borealis/contract';
import { type Addon, findAddon } from '../addons/addon-store.js';
import { findCluster } from '../addons/cluster-store.js';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import { type MaintenancePolicy, windowAt } from './maintenance-window.js';
import { postponePlanned, windowOf } from './rollout-store.js';

/** When the operator wants new minor releases to be put in place under an add-on. */
export class MaintenanceWindows {
  constructor(
    private readonly db: ControlDatabase,
    private readonly policy: MaintenancePolicy,
  ) {}

  /** Throws `noAddon`. */
  async show(addonId: string): Promise<MaintenanceWindowAnswer> {
    const { cluster_id } = await this.#addon(addonId);
    const chosen = await this.db.sql
      .selectFrom('maintenance_window')
      .select(['day', 'hour'])
      .where('addon_id', '=', addonId)
      .executeTakeFirst();
    const { begin, end } = windowAt(await windowOf(this.db, cluster_id, this.policy), new Date(), this.policy);
    return { chosen: chosen ?? null, next: { begin: begin.toISOString(), end: end.toISOString() } };
  }

  /** Chooses another one (null: the usual), also for what is planned already. Throws `noAddon`, and `sharedWindow` where it is not the add-on's alone. */
  async choose(addonId: string, wanted: MaintenanceWindow | null): Promise<MaintenanceWindowAnswer> {
    const { cluster_id, plan } = await this.#addon(addonId);
    if ((await findCluster(this.db, cluster_id))?.tenancy === 'shared') throw new AppError('sharedWindow', { plan });
    await this.db.transaction(async (tx) => {
      await tx.sql.deleteFrom('maintenance_window').where('addon_id', '=', addonId).execute();
      if (wanted)
        await tx.sql
          .insertInto('maintenance_window')
          .values({ addon_id: addonId, ...wanted })
          .execute();
      const { begin } = windowAt(await windowOf(tx, cluster_id, this.policy), new Date(), this.policy);
      await postponePlanned(tx, cluster_id, begin);
    });
    return this.show(addonId);
  }

  async #addon(id: string): Promise<Addon> {
    const addon = await findAddon(this.db, id);
    if (!addon || addon.destroy_requested_at) throw new AppError('noAddon');
    return addon;
  }
}
