import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  findPlan,
  type PgVersionUpgradeStarted,
  type PgVersionUpgrades,
  POSTGRES_MAJORS,
  type PostgresMajor,
} from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import type { Strands } from '@borealis/strands';
import type { Logger } from 'pino';
import { type Addon, lockAddon } from '../addons/addon-store.js';
import { assertProvisioned, assertWriteAccess } from '../addons/readiness.js';
import type { ControlDatabase, Transaction } from '../database.js';
import { AppError } from '../errors.js';
import { beginMaintenance, newerMajors } from './major-begin.js';
import { majorUpgradeInfo } from './major-info.js';
import {
  findMajorUpgrade,
  insertMajorUpgrade,
  type MajorUpgradeRow,
  setMajorUpgrade,
  UPGRADING,
} from './major-store.js';
import type { MajorUpgradeStrand } from './major-upgrade.strand.js';

interface Parts {
  db: ControlDatabase;
  engine: Engine;
  strands: Strands;
  strand: MajorUpgradeStrand;
  log: Logger;
}

/** A request waits this long for what comes of a rehearsal, or of giving up; what is not known by then goes on without it. */
const WAIT_MS = 20_000;
/** How long transactions that are open are waited for before the cut-over. */
export const PATIENCE_SECONDS = 300;

/** Major upgrades of add-ons with a cluster of their own, as their people ask for them. */
export class MajorUpgrades {
  constructor(private readonly parts: Parts) {}

  /** Which versions the add-on has, can have, and is on its way to. */
  async info(addon: Addon): Promise<PgVersionUpgrades> {
    assertProvisioned(addon);
    return majorUpgradeInfo(this.parts.db, addon, await this.#offered());
  }

  /**
   * Begins an upgrade to that major, or to the next one. Returns when the rehearsal has gone well, or after 20 s: once it is begun it goes on whatever
   * happens. Throws `notReady`, `majorRunning`, `majorBusy`, `writeAccessRevoked`, `majorShared`, `majorMaximum`, `majorNotOffered`, and
   * `majorRefused` with what a rehearsal that ended by then has found.
   */
  async execute(addonId: string, wanted: PostgresMajor | null): Promise<PgVersionUpgradeStarted> {
    const { db } = this.parts;
    const offered = await this.#offered();
    const request = randomUUID();
    const { cluster_id, from, to } = await db.transaction((tx) =>
      this.#begin(tx, addonId, { wanted, offered, request }),
    );
    const upgrade = await this.#until(cluster_id, request, isRehearsed);
    const answer = upgrade?.answer ?? null;
    if (answer?.state === 'failed') throw new AppError('majorRefused', { findings: answer.findings.join(' ') });
    if (answer?.state === 'cancelled') throw new AppError('majorRefused', { findings: 'It was cancelled.' });
    return { currentPgMajorVersion: from, targetPgMajorVersion: to };
  }

  async #begin(
    tx: Transaction,
    addonId: string,
    { wanted, offered, request }: { wanted: PostgresMajor | null; offered: PostgresMajor[]; request: string },
  ) {
    const addon = await lockAddon(tx, addonId);
    assertUpgradable(addon);
    const { cluster_id, postgres_major: from } = addon;
    const to = target(addon, wanted, offered);
    if (!(await beginMaintenance(tx, cluster_id))) throw new AppError('majorBusy');
    const isNew = await insertMajorUpgrade(tx, {
      ...{ cluster_id, request, from_major: from, to_major: to, patience_seconds: PATIENCE_SECONDS },
      way: 'up',
      state: 'running',
    });
    if (!isNew) throw new AppError('majorRunning');
    const { strands, strand } = this.parts;
    await strands.spawn(tx.client, strand, request, { clusterId: cluster_id });
    return { cluster_id, from, to };
  }

  /**
   * Gives the upgrade under way up. Returns when nothing is left of it, or after 20 s: it is given up then as soon as that can be. Throws `notReady`,
   * `noUpgrade`, `majorShared`, and `majorTooLate` when the next version has taken over.
   */
  async cancel(addonId: string): Promise<void> {
    const { db, strands } = this.parts;
    const { cluster_id, request } = await db.transaction(async (tx) => {
      const addon = await lockAddon(tx, addonId);
      if (!addon || addon.destroy_requested_at) throw new AppError('noAddon');
      assertProvisioned(addon);
      const upgrade = await findMajorUpgrade(tx, addon.cluster_id);
      const isRunning = upgrade?.state === 'running' || upgrade?.state === 'cancelling';
      if (!isRunning || upgrade.way === 'back') throw new AppError('noUpgrade');
      assertOwnCluster(addon);
      if (upgrade.state === 'running') await setMajorUpgrade(tx, upgrade, { state: 'cancelling' });
      await strands.signal(tx.client, upgrade.request, 'cancel');
      return upgrade;
    });
    const upgrade = await this.#until(cluster_id, request, ({ state }) => state === 'ended');
    if (upgrade?.answer?.state === 'done') throw new AppError('majorTooLate', { version: upgrade.answer.to });
  }

  /** The row as soon as it is as it should be, or as it is after the wait; null when another one has taken its place. */
  async #until(
    clusterId: string,
    request: string,
    isSo: (upgrade: MajorUpgradeRow) => boolean,
  ): Promise<MajorUpgradeRow | null> {
    const end = Date.now() + WAIT_MS;
    for (;;) {
      const upgrade = await findMajorUpgrade(this.parts.db, clusterId);
      if (upgrade?.request !== request) return null;
      if (isSo(upgrade) || Date.now() > end) return upgrade;
      await sleep(100);
    }
  }

  /** An engine that cannot say what it has must not keep people from asking: it is asked for the version itself in the end. */
  async #offered(): Promise<PostgresMajor[]> {
    try {
      return (await this.parts.engine.releases()).map(({ major }) => major);
    } catch (error) {
      this.parts.log.warn({ err: error }, 'the engine cannot tell which releases it has');
      return [...POSTGRES_MAJORS];
    }
  }
}

function isRehearsed({ state, answer }: MajorUpgradeRow): boolean {
  return state === 'ended' || (answer?.state === 'running' && answer.stage !== 'rehearsing');
}

function assertUpgradable(addon: Addon | null): asserts addon is Addon {
  if (!addon || addon.destroy_requested_at) throw new AppError('noAddon');
  assertProvisioned(addon);
  if (addon.status === UPGRADING) throw new AppError('majorRunning');
  if (addon.status !== 'available') throw new AppError('majorBusy');
  assertWriteAccess(addon);
  assertOwnCluster(addon);
}

function assertOwnCluster({ plan }: Addon): void {
  if (findPlan(plan)!.tenancy === 'shared') throw new AppError('majorShared', { plan });
}

function target(
  { postgres_major: from }: Addon,
  wanted: PostgresMajor | null,
  offered: PostgresMajor[],
): PostgresMajor {
  const newer = newerMajors(from, offered);
  const to = wanted ?? newer[0];
  if (to === undefined || newer.length === 0) throw new AppError('majorMaximum', { version: from });
  if (!newer.includes(to)) throw new AppError('majorNotOffered', { version: to, from, supported: newer.join(', ') });
  return to;
}
