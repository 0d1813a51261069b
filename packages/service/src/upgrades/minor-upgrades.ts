import type { MinorUpgrade, MinorUpgradeRequest } from '@borealis/contract';
import { type Engine, EngineError } from '@borealis/engine';
import { type Addon, findAddon } from '../addons/addon-store.js';
import { assertProvisioned } from '../addons/readiness.js';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import { newestOf } from './newest-release.js';
import { noteRelease } from './rollout-store.js';

/** Other minor releases of PostgreSQL for the clusters of add-ons, for the operator. */
export class MinorUpgrades {
  constructor(
    private readonly db: ControlDatabase,
    private readonly engine: Engine,
  ) {}

  /**
   * As `Engine.upgradeMinor`, for the cluster of an add-on, which others may share. Throws `noAddon`, `notReady`, and the engine's reason as
   * `minorRefused` for what is never possible, `minorConflict` and `minorNotNow`.
   */
  async upgrade(addonId: string, wanted: MinorUpgradeRequest): Promise<MinorUpgrade> {
    const addon = await findAddon(this.db, addonId);
    if (!addon || addon.destroy_requested_at) throw new AppError('noAddon');
    assertProvisioned(addon);
    try {
      const answer = await this.engine.upgradeMinor(addon.cluster_id, wanted);
      if (answer.state === 'done') await this.#keep(addon, answer.to);
      return answer;
    } catch (error) {
      throw error instanceof EngineError ? refusal(error) : error;
    }
  }

  /** What the operator has put in place stays there until there is a release that is newer than all of today. */
  async #keep({ cluster_id, postgres_major }: Addon, version: string): Promise<void> {
    const offer = (await this.engine.releases()).find(({ major }) => major === postgres_major);
    const cluster = await this.engine.cluster(cluster_id);
    const newest = offer && cluster && newestOf(offer, cluster);
    if (!newest) return;
    const state = version === newest ? 'done' : 'held';
    await noteRelease(this.db, { cluster_id, version: newest, state, due_at: new Date() });
  }
}

function refusal(error: EngineError): unknown {
  const details = { problem: error.message };
  if (error.code === 'unsupported') return new AppError('minorRefused', details);
  if (error.code === 'conflict') return new AppError('minorConflict', details);
  return error.retryable ? new AppError('minorNotNow', details, { cause: error }) : error;
}
