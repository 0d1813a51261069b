import type { MinorUpgrade } from '@borealis/contract';
import { type Engine, EngineError, type ReleaseOffer } from '@borealis/engine';
import type { Logger } from 'pino';
import type { ControlDatabase } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import { untilStopped } from '../loop.js';
import { type MaintenancePolicy, windowAt } from './maintenance-window.js';
import { newestOf } from './newest-release.js';
import {
  beginRollout,
  changeRollout,
  type MinorRollout,
  nextRollout,
  noteRelease,
  runningRollout,
  usedClusters,
  windowOf,
} from './rollout-store.js';

interface Parts {
  db: ControlDatabase;
  engine: Engine;
  policy: MaintenancePolicy;
  log: Logger;
}

const LOOK_MS = 1000;
const WITHOUT_ENGINE_MS = 10_000;

/**
 * Notices new minor releases and puts them in place, each cluster in its window and one after the other. All of it stands in the database: what
 * a crash broke off is asked for again, and the engine knows what has become of it. A release that failed is put in place nowhere.
 */
export class RolloutWatch {
  constructor(private readonly parts: Parts) {}

  /** Does one thing that is due; returns the milliseconds to the next turn. */
  async turn(stopping: AbortSignal): Promise<number> {
    try {
      const running = await runningRollout(this.parts.db);
      return await (running ? this.#advance(running, stopping) : this.#look());
    } catch (error) {
      if (error instanceof EngineError && error.code === 'unavailable') return WITHOUT_ENGINE_MS;
      throw error;
    }
  }

  async #look(): Promise<number> {
    const { db, engine, policy } = this.parts;
    const offers = await engine.releases();
    await this.#notice(offers);
    const refused = offers.flatMap((offer) => offer.refused);
    const due = policy.automatic ? await nextRollout(db, policy, refused) : null;
    if (!due) return policy.tick * 1000;
    const { begin } = windowAt(await windowOf(db, due.cluster_id, policy), due.now, policy);
    // Its window has passed, because others took long or nobody could take it.
    if (begin > due.now) await changeRollout(db, due, { due_at: begin });
    else await beginRollout(db, due.cluster_id);
    return 0;
  }

  async #notice(offers: ReleaseOffer[]): Promise<void> {
    const { db, engine, policy } = this.parts;
    const byMajor = new Map<string, ReleaseOffer>(offers.map((offer) => [offer.major, offer]));
    for (const { id, major, version: noted } of await usedClusters(db, policy)) {
      const offer = byMajor.get(major);
      if (!offer || (offer.system === null && noted === offer.version)) continue;
      const cluster = await engine.cluster(id);
      const version = cluster && newestOf(offer, cluster);
      if (version && cluster.version !== null && noted !== version) await this.#note(id, cluster.version, version);
    }
  }

  async #note(clusterId: string, present: string, version: string): Promise<void> {
    const { db, policy, log } = this.parts;
    if (minorOf(present) >= minorOf(version))
      return noteRelease(db, { cluster_id: clusterId, version, state: 'done', due_at: new Date() });
    const { begin } = windowAt(await windowOf(db, clusterId, policy), new Date(), policy);
    log.info({ cluster: clusterId, from: present, to: version, notBefore: begin }, 'a new minor release was noticed');
    await db.transaction(async (tx) => {
      await noteRelease(tx, { cluster_id: clusterId, version, state: 'planned', due_at: begin });
      if (!policy.automatic) return;
      const addons = await tx.sql.selectFrom('addon').select('id').where('cluster_id', '=', clusterId).execute();
      const attributes = { from_version: present, to_version: version, not_before: begin.toISOString() };
      for (const { id } of addons) {
        const dedupKey = `${id}/minor-upgrade-planned/${clusterId}/${version}`;
        await recordEvent(tx.sql, { addonId: id, type: 'db-minor-upgrade-planned', attributes, dedupKey });
      }
    });
  }

  async #advance(rollout: MinorRollout, stopping: AbortSignal): Promise<number> {
    const { db, engine, policy, log } = this.parts;
    const { cluster_id, request, version } = rollout;
    try {
      const wanted = { request, version, force: false, patienceSeconds: policy.patience };
      const answer = await untilStopped<MinorUpgrade>(engine.upgradeMinor(cluster_id, wanted), stopping);
      if (!answer) return 0;
      if (answer.state === 'running') return LOOK_MS;
      if (answer.state === 'failed') await this.#fail(rollout, answer.reason);
      else await changeRollout(db, rollout, { state: 'done' });
    } catch (error) {
      if (!(error instanceof EngineError) || error.code === 'unavailable') throw error;
      if (!error.retryable && error.code !== 'conflict') await this.#fail(rollout, error.message);
      else {
        log.info({ cluster: cluster_id, version, err: error }, 'a cluster cannot take a new minor release now');
        const due_at = new Date(Date.now() + policy.retry * 1000);
        await changeRollout(db, rollout, { state: 'planned', error: error.message, due_at });
      }
    }
    return 0;
  }

  async #fail(rollout: MinorRollout, reason: string): Promise<void> {
    const { db, engine, policy, log } = this.parts;
    const { cluster_id, version } = rollout;
    const refused = (await engine.releases()).flatMap((offer) => offer.refused);
    const isRefused = refused.some((one) => one.version === version);
    // What the release is to blame for is not held against the cluster.
    const tries = rollout.tries + (isRefused ? 0 : 1);
    const { end } = windowAt(await windowOf(db, cluster_id, policy), new Date(), policy);
    const state = tries < policy.attempts ? 'planned' : 'failed';
    log.error(
      { alarm: 'minor-upgrade', cluster: cluster_id, version, tries, isRefused, reason },
      isRefused
        ? 'a minor release failed and is put in place nowhere'
        : `a minor upgrade failed and is ${state === 'failed' ? 'left to the operator' : 'tried again in the next window'}`,
    );
    await changeRollout(db, rollout, { state, tries, error: reason, due_at: end });
  }
}

function minorOf(version: string): number {
  return Number(version.split('.')[1]);
}
