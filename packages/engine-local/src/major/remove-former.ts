import { dropAllNotes, endWayBack } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { removeOther, tenantDatabases } from './sides.js';

/** Ends the way back; repeated, it finds less to do. */
export async function removeFormer(state: ClusterState): Promise<void> {
  const { former } = state.journal.record;
  if (!former) return;
  await removeOther(state, former);
  const primary = serverSpec(state);
  const databases = await tenantDatabases(primary);
  await endWayBack(primary, databases);
  await dropAllNotes(primary);
  await state.journal.update(() => ({ former: null }));
}
