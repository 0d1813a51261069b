import { rm } from 'node:fs/promises';
import { dropAllNotes, dropSlots, undoSource, unguardSchema } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { announceUndone } from './announce.js';
import type { MajorMove, MajorOutcome } from './major-record.js';
import { newMajorState } from './major-state.js';
import { pathsOfOther, removeOther, tenantDatabases } from './sides.js';

/** Removes every trace of a server that is not to take over after all; on a way back it is left as it was. Repeated, it finds less to do. */
export async function undoMove(state: ClusterState, move: MajorMove): Promise<void> {
  if (move.kind === 'upgrade') await removeNext(state, move);
  await announceUndone(state, move);
  const lastMajor = outcomeOf(move, move.findings.length === 0 ? 'cancelled' : 'failed');
  await state.journal.update(() => ({ major: null, lastMajor }));
  state.major = newMajorState();
  state.wake();
}

async function removeNext(state: ClusterState, move: MajorMove): Promise<void> {
  state.major.sentence = 'Removing what was made of the next server';
  await removeOther(state, move);
  const { eraDirectory, era } = pathsOfOther(state, move);
  if (era !== 1) await rm(eraDirectory, { recursive: true, force: true, maxRetries: 5 });
  const source = serverSpec(state);
  const databases = await tenantDatabases(source);
  await dropSlots(source, databases);
  await undoSource(source, databases);
  await unguardSchema(source, databases);
  await dropAllNotes(source);
}

export function outcomeOf(
  { request, kind, from, to, findings, sessions }: MajorMove,
  result: MajorOutcome['result'],
): MajorOutcome {
  const moved = sessions ?? { pauseMs: null, kept: null, closed: {} };
  return { request, kind, from, to, result, findings, ...moved };
}
