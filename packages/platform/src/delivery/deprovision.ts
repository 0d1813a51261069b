import { putAddon, removeAddon } from '../addons/lifecycle.js';
import type { Platform } from '../context.js';
import type { Addon } from '../store/records.js';
import { OUTAGE, type Outcome, SETTLED } from './outcome.js';
import type { PartnerClient } from './partner-client.js';

/** Tells the maker to destroy the add-on. Gone already (410) is as good as done; 202 means that he will call back. */
export async function deliverDeprovision(platform: Platform, client: PartnerClient, addon: Addon): Promise<Outcome> {
  const { status } = await client.deprovision(addon.id);
  if (status === 200 || status === 204 || status === 410) {
    removeAddon(platform, addon.id);
    return SETTLED;
  }
  const now = platform.store.get('addons', addon.id);
  if (status !== 202) return OUTAGE;
  if (now) platform.store.commit((tx) => putAddon(tx, platform, now, { pending: null }));
  return SETTLED;
}
