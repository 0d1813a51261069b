import { changeAddonConfig, putAddon } from '../addons/lifecycle.js';
import type { Platform } from '../context.js';
import { ApiError } from '../errors.js';
import type { Addon } from '../store/records.js';
import { configIn, messageIn, OUTAGE, type Outcome, SETTLED } from './outcome.js';
import type { PartnerClient } from './partner-client.js';

/** Delivers a plan change. The plan stays as it was until the maker agreed. */
export async function deliverPlanChange(platform: Platform, client: PartnerClient, addon: Addon): Promise<Outcome> {
  if (addon.pending?.kind !== 'plan') return SETTLED;
  const { plan } = addon.pending;
  const answer = await client.changePlan(addon.id, plan.replace(`${platform.catalogue.slug}:`, ''));
  const now = platform.store.get('addons', addon.id);
  if (now?.pending?.kind !== 'plan' || now.pending.plan !== plan) return SETTLED;
  if (answer.status >= 500 || answer.status < 200 || answer.status === 429) return OUTAGE;
  const message = messageIn(answer.body);
  if (answer.status > 202) {
    platform.store.commit((tx) => putAddon(tx, platform, now, { pending: null }));
    return { kind: 'refused', message: message ?? `The plan change was refused with status ${answer.status}.` };
  }
  applyPlan(platform, now, plan, answer.body);
  return { kind: 'settled', message };
}

function applyPlan(platform: Platform, addon: Addon, plan: string, body: Record<string, unknown>): void {
  const done = { plan, pending: null };
  try {
    changeAddonConfig(platform, addon, configIn(body) ?? [], done);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // The plan is changed; only the config vars that came with it are unusable.
    platform.log.warn({ addon: addon.name, reason: error.message }, 'config vars of a plan change refused');
    platform.store.commit((tx) => putAddon(tx, platform, addon, done));
  }
}
