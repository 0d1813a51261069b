import type { ClusterState } from '../cluster/state.js';
import { traversable } from '../home/home.js';
import type { ClusterPaths } from '../home/paths.js';
import { ensureDirectory } from '../system/files.js';

/** Makes sure of the directories that a node's server needs, `paths` being those of the node. */
export async function ensureNodeDirectories({ users }: ClusterState, paths: ClusterPaths): Promise<void> {
  const { postgres, gateway } = users ?? {};
  await ensureDirectory(paths.eraDirectory, traversable());
  await ensureDirectory(paths.postgres, 0o700, postgres);
  await ensureDirectory(paths.run, traversable());
  // Sockets inherit the directory's group, and so the gateway's user may connect and nobody else.
  if (postgres && gateway)
    await ensureDirectory(paths.socketDirectory, 0o2750, { uid: postgres.uid, gid: gateway.gid });
  else await ensureDirectory(paths.socketDirectory, 0o700, postgres);
}
