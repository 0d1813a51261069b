import { setTimeout as sleep } from 'node:timers/promises';
import { hasWayBack, SyncLost } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { feedFormer } from './carry.js';
import { specOfFormer } from './conclude.js';
import type { FormerServer } from './major-record.js';
import { archiveNext } from './make-next.js';
import { removeFormer } from './remove-former.js';
import { removeGone } from './remove-gone.js';
import { passwordFile, runOther, tenantDatabases } from './sides.js';
import { requireKeptLog } from './subscribed.js';

const PAUSE_MS = 3000;

/** Keeps the server from before the last upgrade running and fed, and removes it when its time is over or it is of no use any more. */
export async function keepFormer(state: ClusterState, signal: AbortSignal): Promise<void> {
  const former = state.journal.record.former!;
  if (former.useless !== null || Date.now() >= Date.parse(former.keptUntil)) return removeFormer(state);
  // A way back that has begun since looks after it, and must not find it closed, or fed, by somebody else.
  const useless = await state.feeding.run(async () =>
    state.journal.record.major === null ? feed(state, former) : null,
  );
  if (useless !== null) {
    state.context.log.warn({ cluster: state.journal.record.id, useless }, 'there is no way back any more');
    await state.journal.update((record) => ({ former: record.former && { ...record.former, useless } }));
  }
  await sleep(PAUSE_MS, undefined, { signal });
}

/** Null, or why there is no way back any more. */
async function feed(state: ClusterState, former: FormerServer): Promise<string | null> {
  const primary = serverSpec(state);
  const all = await tenantDatabases(primary);
  const spec = await specOfFormer(state, former, all.length);
  await runOther(state, former, spec);
  await removeGone(state, spec, all);
  const { access } = state.journal.record;
  // Others are about to be dropped.
  const databases = all.filter((name) => access?.databases.some((listed) => listed.name === name));
  const file = await passwordFile(state, primary, former);
  try {
    await requireKeptLog(primary, spec, databases);
    for (const database of databases) {
      if (!(await hasWayBack(primary, database))) return `The schema of the database "${database}" was changed since.`;
      await feedFormer(primary, spec, database, file);
    }
    await archiveNext(state, former);
    return null;
  } catch (error) {
    if (error instanceof SyncLost) return 'The former server fell too far behind.';
    throw error;
  }
}
