import type { MajorRevertRequest, MajorUpgrade } from '@borealis/contract';
import type { Strands } from '@borealis/strands';
import { sql } from 'kysely';
import { findAddon } from '../addons/addon-store.js';
import { assertProvisioned } from '../addons/readiness.js';
import type { ControlDatabase, Transaction } from '../database.js';
import { AppError } from '../errors.js';
import { beginMaintenance, closeCluster } from './major-begin.js';
import { findMajorUpgrade, insertMajorUpgrade, lockAddonsOf, type MajorUpgradeRow } from './major-store.js';
import type { MajorUpgradeStrand } from './major-upgrade.strand.js';

interface Parts {
  db: ControlDatabase;
  strands: Strands;
  strand: MajorUpgradeStrand;
}

/** The way back from the last major upgrade, for the operator. */
export class MajorReverts {
  constructor(private readonly parts: Parts) {}

  /**
   * Begins it for the cluster of an add-on, which others may share, or says how far the one of that request has come; it goes on without being asked
   * again. Throws `noAddon`, `notReady`, `noWayBack`, `newcomers` and `majorBusy`; whether there still is a way back the engine finds out.
   */
  async revert(addonId: string, wanted: MajorRevertRequest): Promise<MajorUpgrade> {
    const addon = await findAddon(this.parts.db, addonId);
    if (!addon || addon.destroy_requested_at) throw new AppError('noAddon');
    assertProvisioned(addon);
    return this.parts.db.transaction(async (tx) => {
      await lockAddonsOf(tx, addon.cluster_id);
      const last = await findMajorUpgrade(tx, addon.cluster_id);
      if (last?.request === wanted.request) return progressOf(last);
      if (!last || !hasWayBack(last)) throw new AppError('noWayBack');
      return this.#begin(tx, last, wanted);
    });
  }

  async #begin(tx: Transaction, last: MajorUpgradeRow, { request, patienceSeconds }: MajorRevertRequest) {
    const { strands, strand } = this.parts;
    const { cluster_id, ended_at } = last;
    if (await hasNewcomers(tx, cluster_id, ended_at!)) throw new AppError('newcomers');
    if (!(await beginMaintenance(tx, cluster_id))) throw new AppError('majorBusy');
    const [from_major, to_major] =
      last.way === 'up' ? [last.to_major, last.from_major] : [last.from_major, last.to_major];
    await insertMajorUpgrade(tx, {
      ...{ cluster_id, request, from_major, to_major, patience_seconds: patienceSeconds },
      ...{ way: 'back', state: 'running' },
    });
    await strands.spawn(tx.client, strand, request, { clusterId: cluster_id });
    await closeCluster(tx, cluster_id);
    return progressOf((await findMajorUpgrade(tx, cluster_id))!);
  }
}

/** An upgrade that is through, or a way back that came to nothing and may be tried again. */
function hasWayBack({ way, state, answer }: MajorUpgradeRow): boolean {
  return state === 'ended' && answer?.state === (way === 'up' ? 'done' : 'failed');
}

/** Who came to the cluster since the upgrade has never been on the former server. */
async function hasNewcomers(tx: Transaction, clusterId: string, since: Date): Promise<boolean> {
  const row = await tx.sql
    .selectFrom('addon')
    .select('id')
    .where('cluster_id', '=', clusterId)
    .where('created_at', '>', sql<Date>`${since}`)
    .executeTakeFirst();
  return row !== undefined;
}

function progressOf({ answer, from_major: from, to_major: to }: MajorUpgradeRow): MajorUpgrade {
  if (answer) return answer;
  return { ...{ state: 'running', stage: 'switching', from, to }, sentence: 'Waiting for the database to take it' };
}
