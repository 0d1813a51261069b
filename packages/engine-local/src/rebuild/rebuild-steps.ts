import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, findServer, isInUse, placeDataDirectory, restoreBase, stopServer } from '@borealis/postgres';
import { archiveOf } from '../archive/archive-of.js';
import { takeSpooled } from '../archive/take-spooled.js';
import { historyName, parseHistory, parseSegment, segmentName } from '../archive/wal-names.js';
import type { RebuildRecord } from '../cluster/record.js';
import { announceRecovery } from '../cluster/recovery.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import type { Step } from '../cluster/step.js';
import type { Base } from '../copies/bases.js';
import { requireRoom } from '../copies/room.js';
import { setBrokenDataAside, stripBrokenData } from './broken-data.js';
import { rebuildBases } from './rebuild-base.js';
import { chosenBase, leftWal } from './rebuild-log.js';

/** Damaged data makes room for a copy of the newest base that it can be rebuilt from. */
export const replaceData: Step = {
  phase: 'recovering',
  detail: 'Rebuilding the damaged data from its newest base',
  isDone: ({ journal, dataReady }) => dataReady || journal.record.rebuild === null,
  async run(state) {
    const { journal } = state;
    const isNew = journal.record.rebuild!.base === null;
    if (isNew) await endServer(state);
    await setBrokenDataAside(journal);
    // What a base that did not start has left.
    if (isNew) await rm(journal.paths.data, { recursive: true, force: true, maxRetries: 5 });
    await placeDataDirectory(serverSpec(state), (data) => copyBase(state, data));
    state.dataReady = true;
    state.configured = false;
  },
};

async function copyBase(state: ClusterState, data: string): Promise<void> {
  const { journal } = state;
  await takeSpooled(archiveOf(state));
  const [base] = await rebuildBases(state, journal.record.rebuild!.failedFrom);
  if (!base) throw new Error('The data is damaged, and there is no base any more to rebuild it from.');
  await journal.update(({ rebuild }) => ({ rebuild: rebuild && { ...rebuild, base: base.stoppedAt } }));
  await requireRoom(state, base.bytes).catch(async () => {
    await stripBrokenData(journal);
    await requireRoom(state, base.bytes);
  });
  const to = state.users?.postgres ?? null;
  await restoreBase(base.data, data, { from: process.getuid!(), to, signal: state.ending });
}

/** Nothing may write to the data any more: a server that lets nobody in may well run. */
async function endServer(state: ClusterState): Promise<void> {
  const spec = serverSpec(state);
  const running = await findServer(spec);
  if (running) await stopServer(running, { mode: 'immediate', seconds: 30 });
  if (await isInUse(spec.dataDirectory))
    throw new Error(`The data in "${spec.dataDirectory}" is damaged, and a PostgreSQL still runs on it.`);
}

/** The rebuilt server is the cluster's own: its log is archived without a gap, and it is told up to which moment it came. */
export const finishRebuild: Step = {
  phase: 'recovering',
  detail: 'Completing the archive of the rebuilt database',
  isDone: ({ journal }) => journal.record.rebuild === null,
  async run(state) {
    const { journal } = state;
    const rebuild = journal.record.rebuild!;
    const end = await endOfLog(state);
    const isWhole = await keepReplayed(state, await chosenBase(state, rebuild), end.ancestors);
    await announceRecovery(state, sentence(rebuild, end.lastCommit, isWhole), 'cluster-rebuilt');
    await journal.update(() => ({ rebuild: null }));
    await rm(journal.paths.walStage, { recursive: true, force: true });
    // Access as it was at the end of the log may be older than what is wanted; and the files still speak of a recovery.
    state.rolesRevision = -1;
    state.applied.clear();
    state.configured = false;
  },
};

interface EndOfLog {
  /** The timelines before the one that the server has begun, each with the segment in which it was left. */
  ancestors: ReturnType<typeof parseHistory>;
  /** Null when the server was restarted since it has recovered. */
  lastCommit: string | null;
}

async function endOfLog(state: ClusterState): Promise<EndOfLog> {
  const client = await connect(serverSpec(state));
  const { rows } = await client
    .query<{ segment: string; at: string | null }>(
      `select pg_walfile_name(pg_current_wal_insert_lsn()) as segment,
         to_char(pg_last_xact_replay_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`,
    )
    .finally(() => client.end());
  const { segment, at } = rows[0]!;
  const history = historyName(parseSegment(segment).timeline);
  const text = await readFile(join(state.journal.paths.data, 'pg_wal', history), 'utf8');
  return { ancestors: parseHistory(text), lastCommit: at };
}

/**
 * Archives what was replayed and was only in the damaged data: the server itself never archives what it was given. True when the log
 * went on to the segment that was being written.
 */
async function keepReplayed(state: ClusterState, base: Base, ancestors: EndOfLog['ancestors']): Promise<boolean> {
  const archive = archiveOf(state);
  const left = leftWal(state);
  const last = ancestors.at(-1)!;
  for (let { number } = parseSegment(base.firstSegment); number < last.left; number++) {
    const { timeline } = ancestors.find((ancestor) => number < ancestor.left)!;
    const name = segmentName({ timeline, number });
    if (!(await archive.has(name)) && (await left.has(name))) await archive.add(name, left.read(name));
  }
  return left.has(segmentName({ timeline: last.timeline, number: last.left }));
}

function sentence({ reason, base }: RebuildRecord, lastCommit: string | null, isWhole: boolean): string {
  const upTo = lastCommit === null ? '' : `, the last commit of which is of ${lastCommit}`;
  const lost =
    'What was committed after that and had not been archived is lost, since the log of the damaged data could not be used.';
  return [
    `PostgreSQL could not start (${reason}): its data was rebuilt from the base of ${base} and the log since${upTo}.`,
    isWhole ? 'The log of the damaged data was used, too: nothing that was acknowledged is missing.' : lost,
  ].join(' ');
}
