import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SCRATCH_SETTINGS, type ServerSpec, settingsFor, stopScratchServer } from '@borealis/postgres';
import type { ClusterJournal } from '../cluster/record.js';
import { ownUser } from '../cluster/running.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { ensureDirectory } from '../system/files.js';

/** Each has a place of its own, so that one does not wait for the other. */
type Purpose = 'scratch' | 'proof';

/**
 * Runs `work` with the description of a server of the cluster's release and system user, in directories that are there and empty. Whatever
 * the work makes of it is ended and removed afterwards. One at a time for each purpose.
 */
export async function withScratch<T>(
  state: ClusterState,
  work: (spec: ServerSpec) => Promise<T>,
  purpose: Purpose = 'scratch',
): Promise<T> {
  const { paths, record } = state.journal;
  await removeScratch(state.journal, purpose);
  const owner = state.users?.postgres;
  const [directory, socketDirectory] = [paths[purpose], paths[`${purpose}Sockets`]];
  try {
    await ensureDirectory(directory, 0o700, owner);
    await ensureDirectory(socketDirectory, 0o700, owner);
    const { privateMemoryMiB } = serverSpec(state);
    return await work({
      release: state.release!,
      dataDirectory: join(directory, 'data'),
      socketDirectory,
      port: 5432,
      superuser: { name: 'borealis', password: randomBytes(24).toString('hex') },
      os: owner ?? null,
      logFile: join(directory, 'server.log'),
      settings: { ...settingsFor({ ...record.spec, memoryGiB: 1 }), ...SCRATCH_SETTINGS },
      access: { method: 'scram' },
      ...(privateMemoryMiB === undefined ? {} : { privateMemoryMiB }),
    });
  } finally {
    await removeScratch(state.journal, purpose);
  }
}

/** Ends the server, also one that a killed keeper started, and removes all of it. */
export async function removeScratch(journal: ClusterJournal, purpose: Purpose = 'scratch'): Promise<void> {
  const { paths, record } = journal;
  await ownUser(record.osUsers?.postgres, async (os) => {
    for (const name of ['data', 'next'] as const)
      await stopScratchServer({ dataDirectory: join(paths[purpose], name), os });
    return null;
  });
  for (const path of [paths[purpose], paths[`${purpose}Sockets`]])
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
