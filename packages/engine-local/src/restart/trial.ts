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
 * place: that is noted for all clusters of the home. Throws when it could not be tried.
 */
export async function tryOnCopy(state: ClusterState, release: Release): Promise<string | null> {
  const { journal, restart, jobs, context } = state;
  restart.sentence = `Waiting to try PostgreSQL ${release.version} on a copy of the data`;
  const wrong = await jobs.run('', `trial of ${release.version}`, async (ending) => {
    restart.sentence = `Trying PostgreSQL ${release.version} on a copy of the data`;
    const bytes = context.dataAtRest.copyOnWrite ? 0 : await copiedBytes(journal.paths.data);
    return withRoom(journal.paths.directory, bytes, boundsOf(state), ending, (signal) =>
      withScratch(state, (scratch) => tryRelease(state, { ...scratch, release }, signal)),
    );
  });
  if (wrong === null) return null;
  const reason = `PostgreSQL ${release.version} failed its trial on a copy of the data of "${journal.record.id}": ${wrong}.`;
  await new RefusedReleases(context.home.paths).refuse(release.version, reason);
  return reason;
}

async function tryRelease(state: ClusterState, scratch: ServerSpec, signal: AbortSignal): Promise<string | null> {
  // The copy has the source's roles and passwords, and is nobody's but the keeper's.
  const spec = { ...scratch, superuser: serverSpec(state).superuser, closedFor: userInfo().username };
  await copyServer(serverSpec(state), spec.dataDirectory, { to: spec.os, signal });
  await writeConfiguration(spec);
  return tryServer(spec, signal);
}
