import { DEFAULT_POSTGRES_MAJOR, type Secret } from '@borealis/contract';
import { offeredRelease } from '@borealis/postgres';
import { basicRecord } from './cluster/allotment.js';
import type { Clusters } from './cluster/clusters.js';
import type { HomeContext } from './cluster/context.js';
import type { ClusterRecord } from './cluster/record.js';
import { POSTGRES_PORT } from './gateway/config-file.js';
import { untilSettled, upgradeBeforeUse } from './restart/upgrade-before-use.js';

/** The service's own cluster. No tunnel leads to it, and the engine's calls do not know it. */
export const CONTROL_ID = 'control';

const DATABASE = 'control';
/** Named like a tenant's read/write role, because PostgreSQL lets in no other but the keeper's own. */
const ROLE = 'app_rw_control';

/** How the service reaches its database: a Unix socket in the directory `host`, by SCRAM. */
export interface ControlDatabase {
  host: string;
  port: number;
  user: string;
  password: Secret;
  database: string;
}

/**
 * Adopts or creates the service's own database and resolves when it accepts connections; throws when a step fails. As the service is not
 * connected yet, a newer release is put in place first.
 */
export async function ensureControlDatabase(context: HomeContext, clusters: Clusters): Promise<ControlDatabase> {
  const cluster = await clusters.adoptOrCreate(CONTROL_ID, async () => firstRecord(context));
  await untilSettled(cluster);
  if (context.options.minorUpgrades !== 'off') await upgradeBeforeUse(cluster);
  const { paths, record } = cluster.state.journal;
  return {
    host: paths.socketDirectory,
    port: POSTGRES_PORT,
    user: ROLE,
    password: record.backendPassword,
    database: DATABASE,
  };
}

function firstRecord(context: HomeContext): ClusterRecord {
  const major = DEFAULT_POSTGRES_MAJOR;
  const spec = { major, tenancy: 'isolated' as const, nodes: 1, vcpu: 1, memoryGiB: 1, storageGiB: 1 };
  return {
    ...basicRecord(context, CONTROL_ID, spec, { version: offeredRelease(major).version, build: 'npm' }, false),
    access: {
      revision: 1,
      databases: [{ name: DATABASE, owner: ROLE }],
      roles: [{ name: ROLE, database: DATABASE, verifiers: [], validUntil: null }],
      tunnelUsers: [],
    },
  };
}
