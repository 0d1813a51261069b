import { userInfo } from 'node:os';
import {
  copiedBytes,
  copyServer,
  type Release,
  type ServerSpec,
  tryServer,
  writeConfiguration,
} from '@borealis/postgres';
import { boundsOf } from '../backups/means.js';
import { withRoom } from '../backups/room.js';
import { withScratch } from '../backups/scratch.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { RefusedReleases } from './refused-releases.js';

/**
 * Starts the release on a copy of the cluster's data, which is thrown away, and reads all of it. Null, or why it is not to be put in
 * place. Unless the data fails in the same way by the release that the cluster runs by, that is noted for all clusters of the
 * home. Throws when it could not be tried.
 */
export async function tryOnCopy(state: ClusterState, release: Release): Promise<string | null> {
  const { journal, restart, jobs, context } = state;
  const { version } = release;
  restart.sentence = `Waiting to try PostgreSQL ${version} on a copy of the data`;
  const found = await jobs.run('', `trial of ${version}`, async (ending) => {
    const bytes = context.dataAtRest.copyOnWrite ? 0 : await copiedBytes(journal.paths.data);
    return withRoom(journal.paths.directory, bytes, boundsOf(state), ending, (signal) =>
      compareReleases(state, release, signal),
    );
  });
  if (found.wrong === null) return null;
  const { id, version: present } = journal.record;
  if (found.isOfData)
    return `The data of "${id}" fails the trial also by PostgreSQL ${present}, which it runs by: ${found.wrong}.`;
  const reason = `PostgreSQL ${version} failed its trial on a copy of the data of "${id}": ${found.wrong}.`;
  await new RefusedReleases(context.home.paths).refuse(version, reason);
  return reason;
}

interface Trial {
  /** Null: nothing. */
  wrong: string | null;
  /** True: the same is wrong without the new release. */
  isOfData: boolean;
}

/** Each has a copy of its own: what the new release did to its copy is not the data's fault. */
async function compareReleases(state: ClusterState, release: Release, signal: AbortSignal): Promise<Trial> {
  const wrong = await tryOne(state, release, signal);
  if (wrong === null) return { wrong, isOfData: false };
  return { wrong, isOfData: (await tryOne(state, state.release!, signal)) === wrong };
}

async function tryOne(state: ClusterState, release: Release, signal: AbortSignal): Promise<string | null> {
  state.restart.sentence = `Trying PostgreSQL ${release.version} on a copy of the data`;
  return withScratch(state, (scratch) => tryRelease(state, { ...scratch, release }, signal));
}

async function tryRelease(state: ClusterState, scratch: ServerSpec, signal: AbortSignal): Promise<string | null> {
  // The copy has the source's roles and passwords, and is nobody's but the keeper's.
  const spec = { ...scratch, superuser: serverSpec(state).superuser, closedFor: userInfo().username };
  await copyServer(serverSpec(state), spec.dataDirectory, { to: spec.os, signal });
  await writeConfiguration(spec);
  return tryServer(spec, signal);
}
