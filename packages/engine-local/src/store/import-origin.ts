import { join } from 'node:path';
import type { PostgresBuild } from '@borealis/contract';
import { type ClusterOrigin, type ClusterSpec, EngineError, type StoredCluster } from '@borealis/engine';
import { missingFiles } from '../archive/wal-gaps.js';
import type { HomeContext } from '../cluster/context.js';
import type { ClusterState } from '../cluster/state.js';
import { toMicroseconds } from '../copies/moment.js';
import type { PendingLog } from '../copies/past.js';
import { writeFileAtomic } from '../system/files.js';
import { readAbout } from './backup-about.js';
import { ClusterBackup, walObject } from './cluster-backup.js';
import { openStoreUntil } from './ending-store.js';
import { unpackTree } from './packed-tree.js';
import { explained, refusal } from './refusals.js';
import { listStoredBases, readBase, type StoredBase } from './stored-bases.js';

/** Opens a backup by its name; throws `not_found`, or `unsupported` with what is wrong with the store, the key or the backup. */
async function openBackup(
  { options: { store }, ending }: HomeContext,
  name: string,
  signal = ending,
): Promise<ClusterBackup> {
  if (!store) throw new EngineError('unsupported', 'No object store is set up here: BOREALIS_STORE names one.');
  return explained(name, () =>
    ClusterBackup.open(openStoreUntil(store.location, ending, signal), name, store.wrappingKey),
  );
}

/** What the store has under that name; null when there is nothing. Throws `unsupported` when it cannot be used, and why. */
export async function describeBackup(context: HomeContext, name: string): Promise<StoredCluster | null> {
  try {
    const backup = await openBackup(context, name);
    return await explained(name, () => describe(backup));
  } catch (error) {
    if (error instanceof EngineError && error.code === 'not_found') return null;
    throw error;
  }
}

/** As `describeBackup`, of one that is open; throws what its parts throw. */
export async function describe(backup: ClusterBackup): Promise<StoredCluster> {
  const { major, databases, roles } = await readAbout(backup);
  const [bases, wal] = [await restorableBases(backup), await backup.walTimes()];
  const latest = wal.reduce((newest, at) => Math.max(newest, at.getTime()), 0);
  return {
    major,
    databases,
    roles,
    bytes: bases.at(-1)?.bytes ?? 0,
    window: {
      earliest: bases[0]?.stoppedAt ?? null,
      latest: bases.length > 0 && latest > 0 ? new Date(latest).toISOString() : null,
      formerMajors: [],
    },
  };
}

/** The bases from which everything since can be made, oldest first. */
async function restorableBases(backup: ClusterBackup): Promise<StoredBase[]> {
  const [{ bases }, names] = [await listStoredBases(backup), await backup.walNames()];
  const readHistory = (name: string) => backup.text(walObject(name));
  for (const [index, { firstSegment }] of bases.entries())
    if ((await missingFiles(names, firstSegment, readHistory)).length === 0) return bases.slice(index);
  return [];
}

/**
 * The build of the cluster of a backup, which what is made from it gets. Throws `not_found`, or `unsupported` with the reason, unless a cluster
 * of that specification can be made.
 */
export async function checkStoredOrigin(
  context: HomeContext,
  spec: ClusterSpec,
  origin: ClusterOrigin,
): Promise<PostgresBuild> {
  const backup = await openBackup(context, origin.clusterId);
  return explained(origin.clusterId, async () => {
    const { major, build } = await readAbout(backup);
    if (spec.major !== major)
      throw refusal(`"${origin.clusterId}" is of PostgreSQL ${major}, and what is made from it is of the same major`);
    await nearestStoredBase(backup, origin.moment);
    return build;
  });
}

async function nearestStoredBase(backup: ClusterBackup, moment: string | null): Promise<StoredBase> {
  const bases = await restorableBases(backup);
  if (bases.length === 0) throw refusal(`the store has no complete base of "${backup.id}"`);
  const isBefore = ({ stoppedAt }: StoredBase) =>
    moment === null || toMicroseconds(stoppedAt)! <= toMicroseconds(moment)!;
  const base = bases.findLast(isBefore);
  if (!base) throw refusal(`"${backup.id}" can be brought to no moment before ${bases[0]!.stoppedAt}`);
  return base;
}

/** Fetches the base of a backup into a new data directory, from which the server recovers with `storedLog`. */
export async function fetchBase(state: ClusterState, { clusterId, moment }: ClusterOrigin, data: string) {
  const backup = await openBackup(state.context, clusterId, state.ending);
  const started = Date.now();
  let bytes = 0;
  const base = await nearestStoredBase(backup, moment);
  const onBytes = (more: number) => {
    state.ending.throwIfAborted();
    bytes += more;
    state.detail = `Fetching the data: ${Math.round(bytes / 1_000_000)} of ${Math.round(base.bytes / 1_000_000)} MB`;
  };
  const owner = state.users?.postgres ?? null;
  await unpackTree(readBase(backup, base), data, owner, onBytes);
  await writeFileAtomic(join(data, 'recovery.signal'), '', 0o600, owner ?? undefined);
  const milliseconds = Date.now() - started;
  state.context.log.info(
    { cluster: state.journal.record.id, backup: clusterId, bytes, milliseconds },
    'a base was fetched',
  );
}

/** The log of a backup as it is now, and the segment with which a recovery from its base begins. */
export async function storedLog(context: HomeContext, { clusterId, moment }: ClusterOrigin): Promise<PendingLog> {
  const backup = await openBackup(context, clusterId);
  const { firstSegment } = await nearestStoredBase(backup, moment);
  const names = new Set(await backup.walNames());
  const source = { has: async (name: string) => names.has(name), read: (name: string) => backup.get(walObject(name)) };
  return { source, from: firstSegment };
}
