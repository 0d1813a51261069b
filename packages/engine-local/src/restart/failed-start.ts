import { findServer, isMachinesFault, StartTimeout, stopServer } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';

/**
 * A server that does not start by what is planned is started as before: both can run on the same data. True when that is what was begun.
 * One that hangs is ended first, so that a keeper that dies in between does not take it for the one before.
 */
export async function revertFailedStart(state: ClusterState, error: unknown): Promise<boolean> {
  const { journal, context } = state;
  if (journal.record.next?.stage !== 'switching') return false;
  const hanging = error instanceof StartTimeout ? await findServer(serverSpec(state)) : null;
  if (hanging) await stopServer(hanging, { mode: 'immediate', seconds: 10 });
  const { to } = journal.record.next;
  const blamesRelease = journal.record.change === null && !isMachinesFault(error);
  const failure = `PostgreSQL ${to} did not start with what was planned, and runs as before.`;
  context.log.error({ cluster: journal.record.id, err: error }, 'a planned restart failed and is reverted');
  await journal.update(({ next }) => ({ next: next && { ...next, stage: 'reverting', failure, blamesRelease } }));
  state.configured = false;
  return true;
}
