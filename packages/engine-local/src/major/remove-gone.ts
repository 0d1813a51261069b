import { connect, dropDatabase, dropSubscriptions, type ServerSpec } from '@borealis/postgres';
import { wantedAccess } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { tenantDatabases } from './sides.js';

/** Removes from the former server what the primary, which has these databases, has no longer: their tenants left since, and do not come back. */
export async function removeGone(state: ClusterState, former: ServerSpec, databases: readonly string[]): Promise<void> {
  const { access } = state.journal.record;
  const kept = [...databases, ...(access?.databases ?? []).map(({ name }) => name)];
  const gone = (await tenantDatabases(former)).filter((name) => !kept.includes(name));
  await dropSubscriptions(former, gone);
  for (const name of gone)
    await dropDatabase(
      (database) => connect(former, database),
      name,
      () => wantedAccess(state),
    );
}
