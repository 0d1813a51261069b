import type { MinorUpgrade, MinorUpgradeRequest } from '@borealis/contract';
import { type Engine, EngineError } from '@borealis/engine';
import { findAddon } from '../addons/addon-store.js';
import { assertProvisioned } from '../addons/readiness.js';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';

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
    return this.engine.upgradeMinor(addon.cluster_id, wanted).catch((error: unknown) => {
      throw error instanceof EngineError ? refusal(error) : error;
    });
  }
}

function refusal(error: EngineError): unknown {
  const details = { problem: error.message };
  if (error.code === 'unsupported') return new AppError('minorRefused', details);
  if (error.code === 'conflict') return new AppError('minorConflict', details);
  return error.retryable ? new AppError('minorNotNow', details, { cause: error }) : error;
}
