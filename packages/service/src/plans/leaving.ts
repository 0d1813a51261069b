import type { Addon } from '../addons/addon-store.js';
import type { AddonWork } from '../addons/addon-work.js';
import { findCluster } from '../addons/cluster-store.js';

/** Removes what an add-on has, or had, in a cluster that is not its own, and whose document does not list it. May be repeated. */
export async function leaveOtherCluster(
  work: Pick<AddonWork, 'db' | 'engine' | 'publisher'>,
  addon: Addon,
  id: string,
) {
  const cluster = await findCluster(work.db, id);
  if (!cluster) return;
  if (cluster.tenancy === 'isolated') return work.engine.destroyCluster(id);
  // One that was never made has nothing of it.
  if (!(await work.engine.cluster(id))) return;
  await work.publisher.publishLatest(id);
  await work.engine.dropDatabase(id, addon.database_name);
}
