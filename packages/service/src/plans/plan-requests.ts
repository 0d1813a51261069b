import { PLANS, type Plan } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import type { Strands } from '@borealis/strands';
import type { Logger } from 'pino';
import { type Addon, findAddon, lockAddon } from '../addons/addon-store.js';
import { checkPlan } from '../addons/provision-request.js';
import { assertChangeable } from '../addons/readiness.js';
import type { ControlDatabase, Transaction } from '../database.js';
import { AppError } from '../errors.js';
import { recordEvent } from '../events/event-log.js';
import { currentUsage } from '../storage/current-usage.js';
import { formatSize } from '../storage/size.js';
import { type StoragePolicy, storageLimit } from '../storage/storage-policy.js';
import { IDLE } from '../storage/storage-store.js';
import { findPlanChange, type PlanChange, wantNextPlan, wantPlan } from './plan-store.js';

interface Parts {
  db: ControlDatabase;
  engine: Engine;
  strands: Strands;
  policy: StoragePolicy;
  log: Logger;
}

/** The add-on has the plan that it keeps; what is left to do nobody waits for. */
const OVER: ReadonlySet<PlanChange['state']> = new Set(['announcing', 'leaving']);
const UNDER_WAY = 'Add-on plan change is in progress. The app will restart when complete...';

/** Plan changes that the platform asks for. Each may be repeated; of several the last one counts. */
export class PlanRequests {
  constructor(private readonly parts: Parts) {}

  /**
   * Begins the change, unless the add-on has that plan or is on its way to it; the answer is for people. Throws `gone`, `unknownPlan`,
   * `planBusy`, `planSmall` with the figures, and as `assertChangeable`; nothing is changed then.
   */
  async change(id: string, name: string): Promise<{ message: string }> {
    const known = present(await findAddon(this.parts.db, id));
    const plan = checkPlan(name);
    // Outside of the transaction: the engine may take its time.
    await this.#checkSize(known, plan);
    return this.parts.db.transaction(async (tx) => {
      const addon = present(await lockAddon(tx, id));
      assertNotUpgrading(addon);
      assertChangeable(addon);
      return { message: await this.#take(tx, addon, plan) };
    });
  }

  async #take(tx: Transaction, addon: Addon, plan: Plan): Promise<string> {
    const running = await findPlanChange(tx, addon.id);
    const isOver = running === null || OVER.has(running.state);
    const coming = isOver ? (running?.next_plan ?? null) : running.plan;
    if (coming === plan.name) return UNDER_WAY;
    if (coming === null && addon.plan === plan.name) return `The add-on has the plan ${plan.name} already.`;
    // The other cluster is left first: it may be the one to go back to.
    if (running === null || running.other_cluster_id === null) await wantPlan(tx, addon.id, plan.name);
    else if (isOver) await wantNextPlan(tx, addon.id, plan.name);
    else throw new AppError('planBusy', { plan: running.plan });
    await tx.sql
      .updateTable('addon')
      .set({ status: 'maintenance-plan-change' })
      .where('id', '=', addon.id)
      .where('status', 'in', IDLE)
      .execute();
    const attributes = { from_plan: addon.plan, to_plan: plan.name };
    await recordEvent(tx.sql, { addonId: addon.id, type: 'plan-change-started', attributes });
    await this.parts.strands.signal(tx.client, addon.id, 'plan');
    return UNDER_WAY;
  }

  async #checkSize(addon: Addon, plan: Plan): Promise<void> {
    const limit = (other: Plan) => storageLimit(other.name, this.parts.policy);
    const usage = await currentUsage(this.parts, addon);
    if (usage <= limit(plan)) return;
    const sizes = { usage: formatSize(usage), limit: formatSize(limit(plan)) };
    const supported = offered((other) => limit(other) >= usage);
    throw new AppError('planSmall', { plan: plan.name, ...sizes, supported });
  }
}

/** Throws `gone` for an add-on that is not there any more. */
function present(addon: Addon | null): Addon {
  if (!addon || addon.destroy_requested_at) throw new AppError('gone');
  return addon;
}

/** The platform shows people the sentence of a 422 only. */
function assertNotUpgrading({ status }: Addon): void {
  if (status === 'maintenance-postgresql-major-version-upgrade') throw new AppError('planUpgrading');
}

function offered(isPossible: (plan: Plan) => boolean): string {
  const found = PLANS.filter(isPossible);
  return found.map(({ name }) => name).join(', ');
}
