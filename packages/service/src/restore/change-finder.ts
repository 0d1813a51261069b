import { type ChangeQuery, type ChangeSearch, findPlan } from '@borealis/contract';
import { type Engine, EngineError } from '@borealis/engine';
import { findAddon } from '../addons/addon-store.js';
import { assertProvisioned } from '../addons/readiness.js';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import { copiedPlans } from './restore-tokens.js';

/** What took rows of an add-on's database away, for the operator. */
export class ChangeFinder {
  constructor(
    private readonly db: ControlDatabase,
    private readonly engine: Engine,
  ) {}

  /**
   * As `Engine.findChanges`. Throws `noAddon`, `notReady`, `neverCopied`, `changesRefused` for what cannot be asked, `noChanges` for a table
   * that never was, and `changesFailed` or `changesNotNow` with the engine's reason.
   */
  async find(addonId: string, query: ChangeQuery): Promise<ChangeSearch> {
    const addon = await findAddon(this.db, addonId);
    if (!addon || addon.destroy_requested_at) throw new AppError('noAddon');
    assertProvisioned(addon);
    if (findPlan(addon.plan)?.tenancy === 'shared') {
      const supported = copiedPlans().map(({ name }) => name);
      throw new AppError('neverCopied', { plan: addon.plan, supported: supported.join(', ') });
    }
    return this.engine.findChanges(addon.cluster_id, addon.database_name, query).catch((error: unknown) => {
      throw error instanceof EngineError ? refusal(error) : error;
    });
  }
}

function refusal(error: EngineError): AppError {
  const details = { problem: error.message };
  if (error.code === 'unsupported') return new AppError('changesRefused', details);
  if (error.code === 'not_found') return new AppError('noChanges', details);
  return new AppError(error.retryable ? 'changesNotNow' : 'changesFailed', details, { cause: error });
}
