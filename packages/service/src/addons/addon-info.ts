import { type AddonInfo, findPlan } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import type { FastifyBaseLogger } from 'fastify';
import type { ControlDatabase } from '../database.js';
import type { Addon } from './addon-store.js';
import { isProvisioned } from './readiness.js';

const GIB = 1024 ** 3;

/** What `heroku borealis-pg:info` shows; answered at every stage, with what is known by then. */
export async function describeAddon(
  parts: { db: ControlDatabase; engine: Engine; log: FastifyBaseLogger },
  addon: Addon,
): Promise<AddonInfo> {
  const plan = findPlan(addon.plan)!;
  const hasDatabase = isProvisioned(addon);
  return {
    addonName: addon.name,
    appDbName: hasDatabase ? addon.database_name : null,
    createdAt: addon.created_at.toISOString(),
    dbStorageMaxBytes: plan.storageGiB * GIB,
    dbStorageUsageBytes: hasDatabase ? await usage(parts, addon) : 0,
    dbTenancyType: plan.tenancy,
    planName: plan.name,
    postgresVersion: await version(parts, addon),
    region: addon.region,
    replicaQuantity: plan.nodes - 1,
    restoreSourceAddonName: null,
    status: addon.status,
    storageComplianceDeadline: null,
    storageComplianceStatus: 'ok',
  };
}

type Parts = Parameters<typeof describeAddon>[0];

/** As measured now, or as last measured while the engine cannot tell. */
async function usage({ db, engine, log }: Parts, addon: Addon): Promise<number> {
  try {
    const bytes = (await engine.usage(addon.cluster_id))[addon.database_name];
    if (bytes === undefined) return Number(addon.storage_usage_bytes);
    await db.sql
      .updateTable('addon')
      .set({ storage_usage_bytes: String(bytes) })
      .where('id', '=', addon.id)
      .execute();
    return bytes;
  } catch (error) {
    log.warn({ addon: addon.id, err: error }, 'the storage in use cannot be measured');
    return Number(addon.storage_usage_bytes);
  }
}

/** PostgreSQL's own number once the cluster has one, the major until then. */
async function version({ engine, log }: Parts, addon: Addon): Promise<string> {
  try {
    return (await engine.cluster(addon.cluster_id))?.version ?? addon.postgres_major;
  } catch (error) {
    log.warn({ addon: addon.id, err: error }, 'the version of a cluster cannot be asked for');
    return addon.postgres_major;
  }
}
