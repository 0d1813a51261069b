import { randomUUID } from 'node:crypto';
import type { AnnouncedMajorUpgrade, PostgresMajor } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import type { Strands } from '@borealis/strands';
import type { Addon } from '../addons/addon-store.js';
import type { ControlDatabase, Transaction } from '../database.js';
import { AppError } from '../errors.js';
import { writeMail } from '../mail/mailbox.js';
import { closeCluster, newerMajors, openCluster } from './major-begin.js';
import { upgradeAnnounced } from './major-notices.js';
import {
  dropAnnounced,
  findMajorUpgrade,
  insertMajorUpgrade,
  lockAddonsOf,
  type MajorUpgradeRow,
  setMajorUpgrade,
} from './major-store.js';
import type { MajorUpgradeStrand } from './major-upgrade.strand.js';
import { PATIENCE_SECONDS } from './major-upgrades.js';

interface Parts {
  db: ControlDatabase;
  engine: Engine;
  strands: Strands;
  strand: MajorUpgradeStrand;
}

/** Major upgrades of clusters that several add-ons share, which the operator announces and which begin by themselves. */
export class SharedMajorUpgrades {
  constructor(private readonly parts: Parts) {}

  /**
   * Announces an upgrade by an e-mail to everybody with an add-on in the cluster, in the place of one that was announced before; it begins after so
   * many seconds, when all of them are at rest. The cluster takes no more tenants from now on. Throws `noCluster`, `clusterNotShared`,
   * `majorMaximum`, `majorNotOffered` and `majorRunning`.
   */
  async announce(clusterId: string, major: PostgresMajor, inSeconds: number): Promise<AnnouncedMajorUpgrade> {
    const { db, engine, strands, strand } = this.parts;
    const offered = (await engine.releases()).map((release) => release.major);
    const request = randomUUID();
    return db.transaction(async (tx) => {
      const { addons, from } = await lockShared(tx, clusterId);
      assertOffered(from, major, offered);
      const upgrade = { cluster_id: clusterId, request, from_major: from, to_major: major } as const;
      const isNew = await insertMajorUpgrade(
        tx,
        { ...upgrade, way: 'up', state: 'announced', patience_seconds: PATIENCE_SECONDS },
        inSeconds,
      );
      if (!isNew) throw new AppError('majorRunning');
      const row = (await findMajorUpgrade(tx, clusterId))!;
      for (const { id, name } of addons)
        await writeMail(tx.sql, id, upgradeAnnounced({ addon: name, from, to: major, at: row.due_at }));
      await strands.spawn(tx.client, strand, request, { clusterId });
      await closeCluster(tx, clusterId);
      return described(row, addons);
    });
  }

  /**
   * Takes an announcement back, or gives up the upgrade that is under way, which is over a while after this returns. Throws `noCluster`,
   * `clusterNotShared` and `noUpgrade`.
   */
  async cancel(clusterId: string): Promise<void> {
    await this.parts.db.transaction(async (tx) => {
      const { from } = await lockShared(tx, clusterId);
      const upgrade = await findMajorUpgrade(tx, clusterId);
      if (!upgrade || upgrade.state === 'ended' || upgrade.way === 'back') throw new AppError('noUpgrade');
      if (upgrade.state === 'announced') await dropAnnounced(tx, upgrade);
      if (upgrade.state === 'running') await setMajorUpgrade(tx, upgrade, { state: 'cancelling' });
      await this.parts.strands.signal(tx.client, upgrade.request, 'cancel');
      if (upgrade.state === 'announced') await openCluster(tx, clusterId, from);
    });
  }
}

/** Its add-ons, locked, and its major. */
async function lockShared(tx: Transaction, clusterId: string): Promise<{ addons: Addon[]; from: string }> {
  const addons = await lockAddonsOf(tx, clusterId);
  const found = tx.sql.selectFrom('cluster').selectAll().where('id', '=', clusterId);
  const cluster = await found.executeTakeFirst();
  if (!cluster) throw new AppError('noCluster', { cluster: clusterId });
  if (cluster.tenancy !== 'shared') throw new AppError('clusterNotShared');
  return { addons, from: cluster.postgres_major };
}

function assertOffered(from: string, to: PostgresMajor, offered: PostgresMajor[]): void {
  const newer = newerMajors(from, offered);
  if (newer.length === 0) throw new AppError('majorMaximum', { version: from });
  if (!newer.includes(to)) throw new AppError('majorNotOffered', { version: to, from, supported: newer.join(', ') });
}

function described(row: MajorUpgradeRow, addons: Addon[]): AnnouncedMajorUpgrade {
  const { cluster_id: clusterId, from_major: from, to_major: to, due_at } = row;
  return { clusterId, from, to, beginsAfter: due_at.toISOString(), addons: addons.map(({ name }) => name) };
}
