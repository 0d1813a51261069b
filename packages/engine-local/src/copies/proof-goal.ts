import { setTimeout as sleep } from 'node:timers/promises';
import { connect, finishLog } from '@borealis/postgres';
import { archiveOf } from '../archive/archive-of.js';
import { isSegment } from '../archive/wal-names.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import type { Base } from './bases.js';

const LOOK_MS = 250;
/** An archive that takes longer has an alarm of its own. */
const LONGEST_MS = 10 * 60_000;

/** A moment that a base is brought to, and the segment of the log that has a later commit. */
export interface Goal {
  moment: string;
  segment: string;
}

/** Now, with all of the log up to now in the archive; where nothing came into it since the last proof of this base, the moment of that one. */
export async function goalOf(state: ClusterState, base: Base, signal: AbortSignal): Promise<Goal> {
  const last = state.journal.record.baseProof;
  const newest = (await archiveOf(state).names()).filter(isSegment).at(-1);
  // A quiet database is left alone: a segment more each day would have a base made of it each time.
  if (last?.base === base.stoppedAt && last.segment === newest) return { moment: last.upTo, segment: last.segment };
  const goal = await goalOfNow(state);
  const end = Date.now() + LONGEST_MS;
  while (!(await archiveOf(state).has(goal.segment))) {
    if (Date.now() > end) throw new Error(`The end of the log (${goal.segment}) does not come into the archive.`);
    await sleep(LOOK_MS, undefined, { signal });
  }
  return goal;
}

async function goalOfNow(state: ClusterState): Promise<Goal> {
  const client = await connect(serverSpec(state));
  try {
    const { rows } = await client.query<{ moment: string }>(
      `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as moment`,
    );
    return { moment: rows[0]!.moment, segment: await finishLog(client) };
  } finally {
    await client.end();
  }
}
