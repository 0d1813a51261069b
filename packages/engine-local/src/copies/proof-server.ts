import { rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import {
  damageIn,
  restoreBase,
  type ServerIdentity,
  type ServerSpec,
  StartTimeout,
  startServer,
  writeConfiguration,
} from '@borealis/postgres';
import { archiveOf } from '../archive/archive-of.js';
import { SealedFileError } from '../archive/sealed-file-error.js';
import { restoreCommand } from '../archive/stage.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import type { Base } from './bases.js';
import { withLog } from './past.js';
import type { Goal } from './proof-goal.js';

/** So that it is soon noticed when it is to end. */
const TURN_SECONDS = 3;

export interface ProofTrial {
  base: Base;
  goal: Goal;
  scratch: ServerSpec;
  signal: AbortSignal;
}

/** Starts a server on a copy of the base and brings it to the moment; returns the server, or what is wrong. Whoever made the scratch ends it. */
export async function bringForward(state: ClusterState, trial: ProofTrial): Promise<ServerSpec | string> {
  const { base, scratch, goal, signal } = trial;
  const { proofStage } = state.journal.paths;
  const spec: ServerSpec = {
    ...scratch,
    // The copy has the source's roles and passwords, and is nobody's but the keeper's.
    ...{ superuser: serverSpec(state).superuser, closedFor: userInfo().username },
    // What it has of subscriptions would take the log of somebody else.
    settings: { ...scratch.settings, max_logical_replication_workers: '0' },
    recovery: { restoreCommand: restoreCommand(scratch.dataDirectory, proofStage), until: goal.moment },
  };
  await restoreBase(base.data, spec.dataDirectory, { from: process.getuid!(), to: spec.os, signal });
  await writeConfiguration(spec);
  const over = new AbortController();
  const start = () => startInTurns(spec, AbortSignal.any([signal, over.signal]));
  try {
    await withLog(state, { source: archiveOf(state), from: base.firstSegment }, start, proofStage);
    return spec;
  } catch (error) {
    signal.throwIfAborted();
    return faultIn(error);
  } finally {
    over.abort();
    await rm(proofStage, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** A long log takes as long as it takes. */
async function startInTurns(spec: ServerSpec, signal: AbortSignal): Promise<ServerIdentity> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await startServer(spec, { seconds: TURN_SECONDS });
    } catch (error) {
      if (!(error instanceof StartTimeout)) throw error;
    }
  }
}

/** What the files are guilty of; throws what else may be the reason. */
function faultIn(error: unknown): string {
  if (error instanceof SealedFileError) return `a file of the log is not what was archived (${error.fault})`;
  const said = (error as Error).message;
  // PostgreSQL takes what it cannot read in the log for its end.
  if (/recovery ended before configured recovery target was reached/.test(said)) return 'the log ends before that';
  const damage = damageIn(said);
  if (damage === null) throw error;
  return `PostgreSQL does not start (${damage})`;
}
