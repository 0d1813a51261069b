import { EngineError } from '@borealis/engine';
import { connect, dropDatabase, dropSlots, isTenantDatabase } from '@borealis/postgres';
import { BackupStore } from '../backups/backup-store.js';
import { toEngineError } from '../errors.js';
import { forgetDumps } from '../store/store-removals.js';
import { serverSpec, wantedAccess } from './server-spec.js';
import type { ClusterState } from './state.js';

/** Drops a database that the access document does not list; throws `conflict` for one that it does. */
export async function dropClusterDatabase(state: ClusterState, name: string): Promise<void> {
  const { journal } = state;
  if (!isTenantDatabase(name)) throw new EngineError('unsupported', `"${name}" cannot be the name of a database.`);
  refuseListed(state, name);
  if (!state.server)
    throw new EngineError('not_ready', `The cluster "${journal.record.id}" does not answer now: ${state.detail}`);
  await Promise.all([state.jobs.end(name), state.uploads.end(name)]);
  const spec = serverSpec(state);
  try {
    // As long as a server from before an upgrade is fed with it, PostgreSQL does not drop it.
    if (journal.record.former) await dropSlots(spec, [name]);
    await dropDatabase(
      (database) => connect(spec, database),
      name,
      () => {
        refuseListed(state, name);
        // A later document may list it again: then it has to be made anew.
        state.applied.delete(name);
        return wantedAccess(state);
      },
    );
    await forgetDumps(state, name);
    if (journal.record.filled[name])
      await journal.update(({ filled: { [name]: _, ...others } }) => ({ filled: others }));
    await new BackupStore(state, name).dropAll();
  } catch (error) {
    const known = toEngineError(error);
    if (known.code !== 'internal') throw known;
    throw new EngineError('not_ready', `The database "${name}" could not be dropped now.`, { cause: error });
  }
}

function refuseListed({ journal: { record } }: ClusterState, name: string): void {
  if (record.access?.databases.some((database) => database.name === name))
    throw new EngineError('conflict', `The database "${name}" stands in the access document.`);
}
