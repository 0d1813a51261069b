import type { Engine } from '@borealis/engine';
import { sql } from 'kysely';
import type { Logger } from 'pino';
import type { ControlDatabase } from '../database.js';
import type { StorageLimits } from './storage-limits.js';
import { diskState } from './storage-policy.js';
import { lookAgain } from './storage-store.js';

interface Parts {
  db: ControlDatabase;
  engine: Engine;
  limits: StorageLimits;
  log: Logger;
}

interface Grower {
  id: string;
  name: string;
  growth: string;
}

const ALARM_PAUSE_MS = 60_000;
const AFTER_FAILURE_SECONDS = 30;

/** Measures every add-on now and then, sooner near its limit, and keeps one from filling the disk that all share. */
export class StorageWatch {
  #lastAlarm = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: Parts) {}

  /** Measures what is due and looks at the disk; returns the milliseconds to the next turn. */
  async turn(): Promise<number> {
    const { policy } = this.parts.limits;
    const disk = await this.#disk();
    for (const clusterId of await this.#due(disk === 'ample'))
      await this.#measure(clusterId, { onlyDue: true, isDiskAmple: disk === 'ample' });
    if (disk === 'short') await this.#relieve();
    return policy.tick * 1000;
  }

  /** Null when the engine cannot tell. */
  async #disk() {
    const { engine, limits, log } = this.parts;
    try {
      return diskState(await engine.capacity(), limits.policy);
    } catch (error) {
      log.warn({ err: error }, 'the room on the disk cannot be measured');
      return null;
    }
  }

  async #due(isDiskAmple: boolean): Promise<string[]> {
    const rows = await this.#watched()
      .select('addon.cluster_id')
      .distinct()
      .where((e) => e.or([this.#isDue, ...(isDiskAmple ? [e('storage.reason', '=', 'disk')] : [])]))
      .execute();
    return rows.map((row) => row.cluster_id);
  }

  readonly #isDue = sql<boolean>`storage.look_at <= now()`;

  #watched() {
    return this.parts.db.sql
      .selectFrom('addon')
      .innerJoin('storage', 'storage.addon_id', 'addon.id')
      .where('addon.available_at', 'is not', null)
      .where('addon.destroy_requested_at', 'is', null);
  }

  async #measure(clusterId: string, how: { onlyDue: boolean; isDiskAmple: boolean }): Promise<void> {
    const { db, engine, log } = this.parts;
    const rows = await this.#watched()
      .select(['addon.id', 'addon.database_name'])
      .select((e) => e.or([this.#isDue, e('storage.reason', '=', 'disk')]).as('isDue'))
      .where('addon.cluster_id', '=', clusterId)
      .execute();
    const usage = await engine.usage(clusterId).catch((error: unknown) => {
      log.warn({ cluster: clusterId, err: error }, 'the storage in use cannot be measured');
      return {} as Record<string, number>;
    });
    for (const { id, database_name, isDue } of rows) {
      const bytes = usage[database_name];
      if (bytes === undefined) await lookAgain(db, id, AFTER_FAILURE_SECONDS);
      else if (isDue || !how.onlyDue) await this.#take(id, bytes, how.isDiskAmple);
    }
  }

  /** One add-on whose measurement cannot be taken over must not keep the others from being looked at. */
  async #take(addonId: string, bytes: number, isDiskAmple: boolean): Promise<void> {
    const { db, limits, log } = this.parts;
    try {
      await limits.take(addonId, bytes, isDiskAmple);
    } catch (error) {
      log.error({ addon: addonId, bytes, err: error }, 'a measurement of storage cannot be taken over');
      await lookAgain(db, addonId, AFTER_FAILURE_SECONDS);
    }
  }

  /** Before PostgreSQL runs out of disk, whoever grew most cannot grow any more. */
  async #relieve(): Promise<void> {
    const clusters = await this.#watched().select('addon.cluster_id').distinct().execute();
    for (const { cluster_id } of clusters) await this.#measure(cluster_id, { onlyDue: false, isDiskAmple: false });
    this.#alarm(await this.#restrictWorst());
  }

  /** The worst grower, restricted from now on; the next one when the worst cannot be, and null when nobody can. */
  async #restrictWorst(): Promise<Grower | null> {
    const { limits, log } = this.parts;
    for (const grower of await this.#growers()) {
      const restricting = limits.restrictForDisk(grower.id).catch((error: unknown) => {
        log.error({ addon: grower.id, err: error }, 'an add-on that fills the disk cannot be restricted');
        return false;
      });
      if (await restricting) return grower;
    }
    return null;
  }

  /** Who grows fast enough to matter, the worst first. */
  async #growers(): Promise<Grower[]> {
    const growth = sql<string>`storage.usage_bytes - storage.before_bytes`;
    return this.#watched()
      .select(['addon.id', 'addon.name', growth.as('growth')])
      .where('addon.write_revoked', '=', false)
      .where(growth, '>=', String(this.parts.limits.policy.disk.growth))
      .orderBy(growth, 'desc')
      .execute();
  }

  #alarm(restricted: Grower | null): void {
    const { log } = this.parts;
    const alarm = 'disk-short';
    if (restricted) {
      const { id, name, growth } = restricted;
      log.error({ alarm, addon: id, name, growth: Number(growth) }, 'the disk is nearly full: an add-on is restricted');
    } else if (performance.now() - this.#lastAlarm > ALARM_PAUSE_MS) {
      log.error({ alarm }, 'the disk is nearly full, and no add-on is growing fast');
    } else return;
    this.#lastAlarm = performance.now();
  }
}
