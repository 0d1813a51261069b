import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  connect,
  createDataDirectory,
  databaseSizes,
  fenceServer,
  findServer,
  reload,
  type ServerIdentity,
  type ServerSpec,
  startServer,
  writeConfiguration,
  writeSubscriptionPassword,
} from '@borealis/postgres';
import { nodeSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { type ClusterPaths, ofEra, ofNode } from '../home/paths.js';
import { ensureNodeDirectories } from '../nodes/directories.js';
import { clusterRelease } from '../releases/cluster-release.js';
import { ensureDirectory } from '../system/files.js';

const START_SECONDS = 60;

/** A server of another era than the cluster's primary. */
export interface Other {
  era: number;
  node: number;
  /** PostgreSQL's own number. */
  version: string;
}

export function pathsOfOther({ journal }: ClusterState, { era, node }: Pick<Other, 'era' | 'node'>): ClusterPaths {
  return ofNode(ofEra(journal.paths, era), node);
}

/**
 * How such a server is run as long as it is not the primary: tenants' roles would need a password, and have none where the gateway comes in
 * without one. `databases`: so many of them are fed at a time.
 */
export async function specOfOther(state: ClusterState, other: Other, databases = 1): Promise<ServerSpec> {
  const release = await clusterRelease(state, other.version);
  const spec = nodeSpec(state, pathsOfOther(state, other));
  return {
    ...spec,
    release,
    access: { method: 'scram' },
    settings: { ...spec.settings, ...workersFor(spec, databases) },
  };
}

/** Each database that is fed takes a process, and two more while its rows are copied. A server that tenants share has enough of them. */
function workersFor({ settings }: ServerSpec, databases: number): Record<string, string> {
  const fed = databases + 2;
  if (databases === 1 || Number(settings.max_logical_replication_workers ?? 0) >= fed) return {};
  return {
    max_logical_replication_workers: String(fed),
    max_worker_processes: String(Number(settings.max_worker_processes) + fed),
  };
}

/** Makes sure that it is there and runs; adopts what it finds. */
export async function runOther(state: ClusterState, other: Other, spec: ServerSpec): Promise<ServerIdentity> {
  const paths = pathsOfOther(state, other);
  const owner = state.users?.postgres;
  await ensureNodeDirectories(state, paths);
  if (spec.walSpool !== undefined) {
    await ensureDirectory(paths.walSpool, 0o700, owner);
    await ensureDirectory(paths.archive, 0o700);
  }
  await createDataDirectory(spec);
  const isRunning = await findServer(spec);
  // Started by the files that it will have as the primary, as far as only a start reads them.
  if (!isRunning) await writeConfiguration({ ...spec, access: nodeSpec(state, paths).access });
  const server = await startServer(spec, { seconds: START_SECONDS });
  if (await writeConfiguration(spec)) await reload(spec);
  return server;
}

/** Ends it and removes its data and its sockets; what it had archived stays. */
export async function removeOther(state: ClusterState, other: Pick<Other, 'era' | 'node'>): Promise<void> {
  const { era, primary } = state.journal.record;
  if (other.era === era && other.node === primary) throw new Error('BUG: refused to remove the primary');
  const { data, postgres, socketDirectory } = pathsOfOther(state, other);
  await fenceServer(data);
  for (const path of [postgres, socketDirectory]) await rm(path, { recursive: true, force: true, maxRetries: 5 });
}

/** The file with which one server of the cluster is fed by another. */
export async function passwordFile(
  state: ClusterState,
  from: ServerSpec,
  fed: Pick<Other, 'era' | 'node'>,
): Promise<string> {
  const path = join(pathsOfOther(state, fed).postgres, 'upgrade.pass');
  await writeSubscriptionPassword(from, path, state.users?.postgres ?? null);
  return path;
}

/** Every database of tenants that the server has. */
export async function tenantDatabases(spec: ServerSpec): Promise<string[]> {
  const client = await connect(spec);
  return databaseSizes(client)
    .then(Object.keys)
    .finally(() => client.end());
}
