import { go, nap } from '@borealis/strands';
import { type Expired, endExpired, expiredCredentials, secondsToNextExpiry } from '../access/expiry.js';
import { queriesOn } from '../database.js';
import { secondsToSettle, settleChanges } from '../extensions/changes.js';
import { closeIntegrations, forgetIntegrations, type Leaving, leavingIntegrations } from '../integrations/leaving.js';
import { duePlanWork, secondsToPlanWork } from '../plans/plan-store.js';
import { canEnd } from '../rotation/ending.js';
import { dueWork, secondsToWork } from '../rotation/rotation-store.js';
import { confirmWriteAccess, isWriteAccessChanged } from '../storage/write-access.js';
import { findAddon } from './addon-store.js';
import { type AddonWork, ownAddon } from './addon-work.js';

/** Longest time without a look. Everything that must be done sooner raises a signal. */
const IDLE_SECONDS = 600;
const AFTER_FAILURE_SECONDS = 5;

/**
 * What an available add-on needs: its access document in force and whom that concerns told, sessions of persons ended in time,
 * credentials renewed, its plan changed. It is never parked.
 */
export async function serve(work: AddonWork, id: string) {
  try {
    // Read first: what is published after that does not list them.
    const leaving = await leavingIntegrations(work.db, id);
    await keepAccess(work, id);
    if (leaving.length > 0) return await closeLeaving(work, id, leaving);
    if (await isWriteAccessChanged(work.db, id))
      return nap(0, {}, (db) => confirmWriteAccess(db, id, work.storagePolicy));
    const expired = await expiredCredentials(work.db, id);
    if (expired.length > 0) return await closeExpired(work, id, expired);
    const planWork = await duePlanWork(work.db, id);
    if (planWork) return go(planWork);
    const renewal = await dueWork(work.db, id, work.rotation);
    if (renewal === 'make') return go('makeNextCredentials');
    if (renewal === 'end' && (await canEnd(work, id))) return go('endFormerCredentials');
    // After all that must not wait for a platform that is out.
    await work.grants.exchange(id);
    if (renewal === 'announce') return go('announceCredentials');
    await settleChanges(work.db, work.engine, await ownAddon(work, id));
    const next = await secondsToNextExpiry(work.db, id);
    const renewalIn = await secondsToWork(work.db, id, work.rotation);
    const settleIn = await secondsToSettle(work.db, id);
    const planIn = await secondsToPlanWork(work.db, id);
    const all = [next, renewalIn, settleIn, planIn];
    return nap(Math.min(...all.map((seconds) => seconds ?? IDLE_SECONDS), IDLE_SECONDS));
  } catch (error) {
    work.log.warn({ addon: id, err: error }, 'an add-on could not be looked after');
    return nap(AFTER_FAILURE_SECONDS);
  }
}

async function keepAccess(work: AddonWork, id: string): Promise<void> {
  const addon = await findAddon(work.db, id);
  if (addon) await work.publisher.publishLatest(addon.cluster_id);
}

/** Removals that were cut short come to their end here. */
async function closeLeaving(work: AddonWork, id: string, leaving: Leaving[]) {
  const addon = await findAddon(work.db, id);
  if (addon) await closeIntegrations(work.engine, addon.cluster_id, leaving);
  return nap(0, {}, (db) => forgetIntegrations(queriesOn(db), leaving));
}

/** The gateway lets nobody in by them any more; here the sessions that they opened end, and then the credentials themselves. */
async function closeExpired(work: AddonWork, id: string, expired: Expired[]) {
  const addon = await findAddon(work.db, id);
  if (addon) {
    const names = (wanted: boolean) => expired.filter((e) => (e.kind === 'ssh') === wanted).map((e) => e.name);
    await work.engine.closeSessions(addon.cluster_id, { tunnelUsers: names(true), roles: names(false) });
  }
  return nap(0, {}, (db) => endExpired(db, id, expired));
}
