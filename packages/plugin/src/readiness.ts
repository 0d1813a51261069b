import { setTimeout as sleep } from 'node:timers/promises';
import type { AddonInfo, AddonStatus } from '@borealis/contract';
import { AddonApiRefusal } from './addon-api/refusal.js';
import { cancelled } from './platform/copies.js';

const BEING_MADE: readonly AddonStatus[] = ['requested', 'awaiting', 'provisioning', 'configuring'];
const LOOK_AGAIN_MS = 150_000;

/** Returns when the database can be used, which may be long after Heroku has its add-on. `ask` is called anew for each look. */
export async function untilReady(addonName: string, ask: () => Promise<AddonInfo>): Promise<void> {
  while (BEING_MADE.includes((await look(addonName, ask)).status)) await sleep(LOOK_AGAIN_MS);
}

async function look(addonName: string, ask: () => Promise<AddonInfo>): Promise<AddonInfo> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof AddonApiRefusal && error.status === 404) throw cancelled(addonName);
    throw error;
  }
}
