import { findPlan } from '@borealis/contract';
import { type Engine, EngineError, type FailoverOutcome, type PrimaryReplacement } from '@borealis/engine';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import { findAddon } from './addon-store.js';
import { assertProvisioned } from './readiness.js';

/** Has a standby of an add-on take over, for the operator who wants to know that it would. */
export class FailoverDrill {
  constructor(
    private readonly db: ControlDatabase,
    private readonly engine: Engine,
  ) {}

  /** As `Engine.replacePrimary`. Throws `noAddon`, `notReady`, `noReplicas`, and `drillNotNow` or `drillFailed` with the engine's reason. */
  async run(addonId: string, how: PrimaryReplacement): Promise<FailoverOutcome> {
    const addon = await findAddon(this.db, addonId);
    if (!addon || addon.destroy_requested_at) throw new AppError('noAddon');
    assertProvisioned(addon);
    if ((findPlan(addon.plan)?.nodes ?? 1) === 1) throw new AppError('noReplicas', { plan: addon.plan });
    return this.engine.replacePrimary(addon.cluster_id, how).catch((error: unknown) => {
      if (!(error instanceof EngineError)) throw error;
      const code = error.retryable || error.code === 'conflict' ? 'drillNotNow' : 'drillFailed';
      throw new AppError(code, { problem: error.message }, { cause: error });
    });
  }
}
