import { EngineError } from '@borealis/engine';
import { go, nap } from '@borealis/strands';
import type { ClientBase } from 'pg';
import { queriesOn } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import { GrantDead } from '../platform/oauth-grants.js';
import { findOrigin } from '../restore/origin-store.js';
import { type RotationTimes, startClock } from '../rotation/rotation-store.js';
import { setStatus } from './addon-store.js';
import { type AddonWork, ownAddon } from './addon-work.js';
import { clusterSpec } from './cluster-store.js';
import { currentConfigVars } from './config-vars.js';
import { prepareAppCredentials } from './credentials.js';
import { isHopeless, markGivenUp } from './giving-up.js';

/** The code of the grant dies after five minutes, hence first. A refused one does not keep the database from being made. */
export async function exchangeGrant(work: AddonWork, id: string) {
  await work.grants.exchange(id);
  return go('createCluster', {}, setStatus(id, 'awaiting'));
}

export async function createCluster(work: AddonWork, id: string) {
  const addon = await ownAddon(work, id);
  const origin = await findOrigin(work.db, id);
  return whileHopeful(work, id, async () => {
    try {
      await work.engine.createCluster(addon.cluster_id, clusterSpec(addon, origin));
    } catch (error) {
      // A source that is gone, or a moment that is, does not come back.
      const isFinal = origin && error instanceof EngineError && ['not_found', 'unsupported'].includes(error.code);
      if (isFinal) return abandon(work, id, error.message);
      throw error;
    }
    return go('waitCluster', {}, setStatus(id, 'provisioning'));
  });
}

/** Seconds between two looks: short where a start takes a second or two, longer while a release is fetched. */
const LOOK_AGAIN = { fetching: 1, creating: 0.1, copying: 0.5, starting: 0.1, recovering: 0.5, destroying: 1 } as const;

export async function waitCluster(work: AddonWork, id: string) {
  const addon = await ownAddon(work, id);
  return whileHopeful(work, id, async () => {
    const cluster = await work.engine.cluster(addon.cluster_id);
    if (!cluster) return go('createCluster');
    if (cluster.phase === 'failed') return unlessSourceGone(work, id, cluster.detail);
    if (cluster.phase === 'copying') return go('waitCopy');
    if (cluster.phase !== 'ready') return nap(LOOK_AGAIN[cluster.phase]);
    return cluster.gateway ? go('makeCredentials') : nap(LOOK_AGAIN.starting);
  });
}

/** Runs what asks the engine. A refusal, whatever its kind, never parks the workflow: it may have passed at the next try. */
async function whileHopeful<T>(work: AddonWork, id: string, ask: () => Promise<T>) {
  try {
    return await ask();
  } catch (error) {
    // Of a cluster whose engine is out, or that recovers just now, nothing is known: no reason to give it up.
    if (!(error instanceof EngineError) || error.code === 'unavailable' || error.code === 'not_ready') throw error;
    return unlessHopeless(work, id, error.message, error);
  }
}

/** A copy takes as long as there is data, where the disk cannot share it: nothing is wrong with an hour here. */
export async function waitCopy(work: AddonWork, id: string) {
  const addon = await ownAddon(work, id);
  return whileHopeful(work, id, async () => {
    const cluster = await work.engine.cluster(addon.cluster_id);
    return cluster?.phase === 'copying' ? nap(LOOK_AGAIN.copying) : go('waitCluster');
  });
}

/** As `unlessHopeless`, and at once when what was to be copied has been destroyed. */
async function unlessSourceGone(work: AddonWork, id: string, reason: string) {
  const origin = await findOrigin(work.db, id);
  // A backup that fails is damaged, or its store is out: whoever asked is told at once, and may ask again.
  const isGone =
    origin !== null &&
    origin.dump === null &&
    (origin.from_store || (await work.engine.cluster(origin.source_cluster_id)) === null);
  return isGone ? abandon(work, id, reason) : unlessHopeless(work, id, reason);
}

/** The engine goes on trying, so the workflow must not be parked: it would not see the cluster come up after all. */
class ClusterTrouble extends Error {
  override name = 'ClusterTrouble';
  readonly retryable = true;
}

/** Throws, to look again later, until the add-on is too old for its people to be kept waiting: then it is given up. */
async function unlessHopeless(work: AddonWork, id: string, reason: string, cause?: unknown) {
  if (!(await isHopeless(work.db, id)))
    throw new ClusterTrouble(`The cluster could not be made: ${reason}`, cause === undefined ? {} : { cause });
  return abandon(work, id, reason);
}

function abandon(work: AddonWork, id: string, reason: string) {
  work.log.error({ alarm: 'given-up', addon: id, reason }, 'an add-on is given up: its cluster could not be made');
  return go('giveUp', {}, markGivenUp(id));
}

export async function makeCredentials(work: AddonWork, id: string) {
  const origin = await findOrigin(work.db, id);
  const keep = await prepareAppCredentials(work.vault, id, origin?.role_suffix);
  return go('applyAccess', {}, async (db) => {
    await keep(db);
    await setStatus(id, 'configuring')(db);
  });
}

export async function applyAccess(work: AddonWork, id: string) {
  const addon = await ownAddon(work, id);
  return whileHopeful(work, id, async () => {
    await work.publisher.publishLatest(addon.cluster_id);
    const origin = await findOrigin(work.db, id);
    return origin?.dump ? go('fillDatabase') : go('setConfigVars');
  });
}

/** Before anybody has the address: what a crash breaks off is begun anew with an empty database. */
export async function fillDatabase(work: AddonWork, id: string) {
  const addon = await ownAddon(work, id);
  const { source_cluster_id: backup, dump } = (await findOrigin(work.db, id))!;
  return whileHopeful(work, id, async () => {
    try {
      const name = { backup, dump: dump! };
      const isFilled = await work.engine.fillDatabase(addon.cluster_id, addon.database_name, name);
      return isFilled ? go('setConfigVars') : nap(LOOK_AGAIN.copying);
    } catch (error) {
      const isFinal = error instanceof EngineError && ['not_found', 'unsupported', 'conflict'].includes(error.code);
      if (isFinal) return abandon(work, id, error.message);
      throw error;
    }
  });
}

/** Runs a callback to the platform; leads to `waitGrant` when the platform takes our authorization no longer. */
async function unlessGrantDead<T>(callback: () => Promise<T>): Promise<T | ReturnType<typeof toWaitGrant>> {
  try {
    return await callback();
  } catch (error) {
    if (error instanceof GrantDead) return toWaitGrant();
    throw error;
  }
}

const toWaitGrant = () => go('waitGrant');

export async function setConfigVars(work: AddonWork, id: string) {
  const addon = await ownAddon(work, id);
  const vars = await currentConfigVars(work, addon);
  return unlessGrantDead(async () => {
    await work.grants.call(id, (token) => work.platform.patchConfig(token, id, vars));
    return go('markProvisioned');
  });
}

export async function markProvisioned(work: AddonWork, id: string) {
  return unlessGrantDead(async () => {
    await work.grants.call(id, async (token) => {
      // A repeated action may be refused, so look first: the last try may have come through without our hearing of it.
      const { state } = await work.platform.addon(token, id);
      if (state !== 'provisioned') await work.platform.markProvisioned(token, id);
    });
    return go('serve', {}, (db) => becomeAvailable(db, id, work.rotation));
  });
}

async function becomeAvailable(db: ClientBase, id: string, times: RotationTimes): Promise<void> {
  const sql = queriesOn(db);
  await sql
    .updateTable('addon')
    .set((e) => ({ status: 'available', available_at: e.fn.coalesce('available_at', e.fn<Date>('now')) }))
    .where('id', '=', id)
    .execute();
  await startClock(sql, id, times);
  await recordEvent(sql, { addonId: id, type: 'addon-available', dedupKey: `${id}/available` });
}

const RETRY_GRANT_SECONDS = 900;

/** Until a repeated request brings a new code, or the platform changes its mind about the old authorization. */
export async function waitGrant(work: AddonWork, id: string) {
  try {
    await work.grants.exchange(id);
    await work.grants.call(id, (token) => work.platform.addon(token, id));
    return go('setConfigVars');
  } catch (error) {
    if (error instanceof GrantDead) return nap(RETRY_GRANT_SECONDS);
    throw error;
  }
}
