import { setTimeout as sleep } from 'node:timers/promises';
import {
  connect,
  dropAllNotes,
  dropSlot,
  dropSlots,
  dropSubscriptions,
  listSlots,
  type ServerSpec,
  undoSource,
  unguardSchema,
} from '@borealis/postgres';
import { archiveOf } from '../archive/archive-of.js';
import { takeSpooled } from '../archive/take-spooled.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { announceNodes } from '../nodes/announce.js';
import { MOST_NODES } from '../nodes/roles.js';
import { announceTakenOver } from './announce.js';
import type { FormerServer, MajorMove } from './major-record.js';
import { newMajorState } from './major-state.js';
import { pathsOfOther, removeOther, runOther, specOfOther, tenantDatabases } from './sides.js';
import { outcomeOf } from './undo.js';

const UNPROTECTED =
  'The standbys are made anew of the server that took over. Commits are on one node until one has caught up.';
const ARCHIVE_MS = 10_000;
const LOOK_MS = 50;

/** After the cut-over: what led to it is taken down, and the log of the former server is complete. Repeated, it finds less to do. */
export async function concludeMove(state: ClusterState, move: MajorMove): Promise<void> {
  const { record } = state.journal;
  const former = record.former!;
  for (let node = 1; node <= MOST_NODES; node++)
    if (node !== former.node) await removeOther(state, { era: former.era, node });
  const databases = await tenantDatabases(serverSpec(state));
  await dropSubscriptions(serverSpec(state), databases);
  const spec = await specOfFormer(state, former, databases.length);
  await runOther(state, former, spec);
  await dropSlots(spec, databases);
  await forgetStandbys(spec);
  if (move.kind === 'revert') await tidyAfterRevert(serverSpec(state), databases);
  await finishLog(state, former, spec);
  await announceTakenOver(state, move);
  if (record.spec.nodes > 1) await announceNodes(state, 'protection-lost', UNPROTECTED);
  const lastMajor = outcomeOf(move, 'done');
  await state.journal.update(() => ({ major: null, lastMajor }));
  state.major = newMajorState();
}

/** Those of the former server are gone, and it would keep its log for them. */
async function forgetStandbys(former: ServerSpec): Promise<void> {
  const client = await connect(former);
  try {
    for (const name of await listSlots(client)) await dropSlot(client, name);
  } finally {
    await client.end();
  }
}

/** What led to the upgrade in the server that it went back to. */
async function tidyAfterRevert(primary: ServerSpec, databases: readonly string[]): Promise<void> {
  await unguardSchema(primary, databases);
  await undoSource(primary, databases);
  await dropAllNotes(primary);
}

/** How the former server is run: nobody comes in but the keeper. */
export async function specOfFormer(state: ClusterState, former: FormerServer, databases: number): Promise<ServerSpec> {
  return { ...(await specOfOther(state, former, databases)), access: { method: 'none' } };
}

/** What was committed there before the cut-over can be restored. */
async function finishLog(state: ClusterState, former: FormerServer, spec: ServerSpec): Promise<void> {
  if (!state.journal.record.archiveKey) return;
  const archive = archiveOf(state, pathsOfOther(state, former));
  const segment = await finishSegment(spec);
  const deadline = Date.now() + ARCHIVE_MS;
  while (!(await archive.has(segment))) {
    if (Date.now() > deadline) throw new Error('The log of the former server is not archived yet.');
    await sleep(LOOK_MS);
    await takeSpooled(archive);
  }
}

/** The file that has the last of its log until now. */
async function finishSegment(spec: ServerSpec): Promise<string> {
  const client = await connect(spec);
  try {
    const { rows } = await client.query<{ segment: string }>(
      'select pg_walfile_name(pg_current_wal_insert_lsn()) as segment, txid_current()',
    );
    await client.query('select pg_switch_wal()');
    return rows[0]!.segment;
  } finally {
    await client.end();
  }
}
