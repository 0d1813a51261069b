import { stat } from 'node:fs/promises';
import { type Examination, examineServer } from '@borealis/postgres';
import { archiveOf } from '../archive/archive-of.js';
import { secondsSince } from '../backups/make.js';
import { boundsOf } from '../backups/means.js';
import { withRoom } from '../backups/room.js';
import { withScratch } from '../backups/scratch.js';
import type { ClusterState } from '../cluster/state.js';
import { isSystemError } from '../system/files.js';
import type { Base } from './bases.js';
import type { KeptProof } from './kept-proof.js';
import { type Goal, goalOf } from './proof-goal.js';
import { bringForward } from './proof-server.js';

const NOTHING = { databases: 0, tables: 0, rows: 0, indexes: 0 };

type Outcome = Pick<KeptProof, 'failure' | 'checked'>;

/**
 * Restores the base and the log since in a server that is thrown away, as a copy of the cluster at a moment is made, and reads all of it
 * there. Says what was found; throws when it could not be tried. Keeps nothing from being backed up or restored meanwhile.
 */
export async function proveBase(state: ClusterState, base: Base, ending: AbortSignal): Promise<KeptProof> {
  const { paths } = state.journal;
  const started = Date.now();
  const bytes = state.context.dataAtRest.copyOnWrite ? 0 : base.bytes;
  const goal = await goalOf(state, base, ending);
  const outcome = await withRoom(paths.directory, bytes, boundsOf(state), ending, (signal) =>
    tryBase(state, base, goal, signal),
  );
  // What ends or replaces them meanwhile says nothing about them.
  if (outcome.failure !== null && (!(await isThere(base)) || state.journal.paths.era !== paths.era))
    throw new Error('The base is gone meanwhile.');
  return {
    ...{ at: new Date().toISOString(), seconds: secondsSince(started), base: base.stoppedAt, upTo: goal.moment },
    ...{ bytes: base.bytes, segment: goal.segment, ...outcome },
  };
}

async function tryBase(state: ClusterState, base: Base, goal: Goal, signal: AbortSignal): Promise<Outcome> {
  const failed = (wrong: string): Outcome => ({
    failure: `The base of ${base.stoppedAt} and the log since cannot be restored to ${goal.moment}: ${wrong}.`,
    checked: NOTHING,
  });
  const [missing, ...more] = await archiveOf(state).gaps(base.firstSegment);
  if (missing !== undefined) return failed(`${missing}${more.length > 0 ? ` and ${more.length} more` : ''} is missing`);
  return withScratch(
    state,
    async (scratch) => {
      const server = await bringForward(state, { base, goal, scratch, signal });
      if (typeof server === 'string') return failed(server);
      const { wrong, ...checked }: Examination = await examineServer(server, signal);
      return wrong === null ? { failure: null, checked } : failed(wrong);
    },
    'proof',
  );
}

async function isThere({ data }: Base): Promise<boolean> {
  return stat(data).then(
    () => true,
    (error: unknown) => {
      if (isSystemError(error, 'ENOENT')) return false;
      throw error;
    },
  );
}
