import { type AddonInfo, findPlan } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import type { FastifyBaseLogger } from 'fastify';
import type { ControlDatabase } from '../database.js';
import { sourceName } from '../restore/origin-store.js';
import { describeStorage } from '../storage/storage-info.js';
import type { StorageLimits } from '../storage/storage-limits.js';
import { type Addon, findAddon } from './addon-store.js';
import { isProvisioned } from './readiness.js';

interface Parts {
  db: ControlDatabase;
  engine: Engine;
  limits: StorageLimits;
  log: FastifyBaseLogger;
}

/** What `heroku borealis-pg:info` shows; answered at every stage, with what is known by then. */
export async function describeAddon(parts: Parts, addon: Addon): Promise<AddonInfo> {
  const plan = findPlan(addon.plan)!;
  const hasDatabase = isProvisioned(addon);
  if (hasDatabase) await measure(parts, addon);
  return {
    addonName: addon.name,
    appDbName: hasDatabase ? addon.database_name : null,
    createdAt: addon.created_at.toISOString(),
    dbTenancyType: plan.tenancy,
    planName: plan.name,
    ...(await release(parts, addon)),
    region: addon.region,
    replicaQuantity: plan.nodes - 1,
    restoreSourceAddonName: await sourceName(parts.db, addon.id),
    // What was just measured may have changed it.
    status: (await findAddon(parts.db, addon.id))?.status ?? addon.status,
    ...(await describeStorage(parts.db, addon, parts.limits.policy)),
    ...(await dataAtRest(parts, addon)),
    ...(await offsiteBackup(parts, addon)),
  };
}

/** While the engine cannot tell, what was measured last stays. */
async function measure({ engine, limits, log }: Parts, addon: Addon): Promise<void> {
  try {
    const bytes = (await engine.usage(addon.cluster_id))[addon.database_name];
    if (bytes !== undefined) await limits.take(addon.id, bytes);
  } catch (error) {
    log.warn({ addon: addon.id, err: error }, 'the storage in use cannot be measured');
  }
}

/** What encrypts its files, and whether copies of it share blocks. */
async function dataAtRest({ engine, log }: Parts, addon: Addon): Promise<Pick<AddonInfo, 'dataAtRest'>> {
  try {
    return { dataAtRest: (await engine.capacity()).dataAtRest };
  } catch (error) {
    log.warn({ addon: addon.id, err: error }, 'what encrypts the data cannot be asked for');
    return {};
  }
}

/** How far the backup is that survives the machine. */
async function offsiteBackup({ engine, log }: Parts, addon: Addon): Promise<Pick<AddonInfo, 'offsiteBackup'>> {
  try {
    const found = await engine.storedBackup(addon.cluster_id, addon.database_name);
    if (!found) return {};
    const { upTo, newestDump, waitingDumps } = found;
    const secondsBehind = upTo === null ? null : Math.max(0, Math.round((Date.now() - Date.parse(upTo)) / 1000));
    return { offsiteBackup: { upTo, secondsBehind, newestDump, waitingDumps } };
  } catch (error) {
    log.warn({ addon: addon.id, err: error }, 'how far the backup is cannot be asked for');
    return {};
  }
}

/** PostgreSQL's own number once the cluster has one, the major until then. */
async function release(
  { engine, log }: Parts,
  addon: Addon,
): Promise<Pick<AddonInfo, 'postgresVersion' | 'postgresBuild'>> {
  const postgresVersion = addon.postgres_major;
  try {
    const cluster = await engine.cluster(addon.cluster_id);
    const build = cluster?.build === 'system' ? ({ postgresBuild: 'system' } as const) : {};
    return { postgresVersion: cluster?.version ?? postgresVersion, ...build };
  } catch (error) {
    log.warn({ addon: addon.id, err: error }, 'the version of a cluster cannot be asked for');
    return { postgresVersion };
  }
}
