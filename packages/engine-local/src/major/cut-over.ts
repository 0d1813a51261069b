import { setTimeout as sleep } from 'node:timers/promises';
import {
  beginWayBack,
  caughtUp,
  connect,
  logEnd,
  reload,
  type ServerSpec,
  writeConfiguration,
} from '@borealis/postgres';
import { moveGateway } from '../cluster/gateway-steps.js';
import type { ClusterRecord } from '../cluster/record.js';
import { nodeSpec, serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { resumeSessions } from '../gateway/control-client.js';
import { configurePrimary } from '../nodes/node-spec.js';
import { carry, isRevertible } from './carry.js';
import { endSessions } from './end-sessions.js';
import type { MajorMove } from './major-record.js';
import type { Ready } from './make-ready.js';
import { pathsOfOther } from './sides.js';

const GONE_BACK = 'The cluster went back from it.';
const CATCH_UP_MS = 10_000;
const LOOK_MS = 5;
/** The gateway lets its sessions go by itself 30 s after it has held them. */
const LONGEST_PAUSE_MS = 20_000;

/**
 * While the gateway holds all sessions: nobody comes into the present server any more, the next gets the last of what it wrote and what is not
 * replicated, one write of the record makes it the primary, and the sessions go on there. Throws before that write, or never.
 */
export async function cutOver(state: ClusterState, move: MajorMove, ready: Ready): Promise<void> {
  const begun = Date.now();
  const source = await closePrimary(state);
  const { next, databases } = ready;
  await untilCaughtUp(source, next, databases);
  await carry(source, next, databases);
  if (move.kind === 'upgrade' && isRevertible(state)) await beginWayBack(next, databases);
  const until = await lastMoment(source);
  await openNext(state, move, ready);
  if (Date.now() - begun > LONGEST_PAUSE_MS) throw new Error('The cut-over took too long.');
  await state.journal.update((record) => takenOver(record, move, until, keptUntil(state)));
  adopt(state, ready);
  await goOn(state, move, begun);
}

/** From when it returns on, nobody but the keeper is in the primary. */
async function closePrimary(state: ClusterState): Promise<ServerSpec> {
  state.major.isClosed = true;
  await configurePrimary(state);
  const source = serverSpec(state);
  await reload(source);
  await endSessions(source);
  return source;
}

/** Takes that back. */
export async function reopen(state: ClusterState): Promise<void> {
  state.major.isClosed = false;
  state.configurationLoaded = false;
  await configurePrimary(state);
  await reload(serverSpec(state));
  state.configurationLoaded = true;
}

async function untilCaughtUp(source: ServerSpec, next: ServerSpec, databases: readonly string[]): Promise<void> {
  const deadline = Date.now() + CATCH_UP_MS;
  const end = await logEnd(source);
  while (!(await caughtUp(source, next, databases, end))) {
    if (Date.now() > deadline) throw new Error('The next server did not get the last changes in time.');
    await sleep(LOOK_MS);
  }
}

/** Everything was committed before it; one later commit is in the log, without which a restore to a moment before could not end. */
async function lastMoment(source: ServerSpec): Promise<string> {
  const client = await connect(source);
  try {
    const { rows } = await client.query<{ at: string }>(
      `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`,
    );
    await client.query('select txid_current()');
    return rows[0]!.at;
  } finally {
    await client.end();
  }
}

/** For the gateway, which does not go there yet. */
async function openNext(state: ClusterState, move: MajorMove, { next }: Ready): Promise<void> {
  const paths = pathsOfOther(state, move);
  await writeConfiguration({ ...nodeSpec(state, paths), release: next.release });
  await reload(next);
}

function keptUntil({ context: { options } }: ClusterState): string {
  const seconds = options.majorRevertSeconds ?? 0;
  return new Date(Date.now() + seconds * 1000).toISOString();
}

function takenOver(record: ClusterRecord, move: MajorMove, until: string, kept: string): Partial<ClusterRecord> {
  const { major, spec, era, primary, version } = record;
  if (record.wanted === 'gone' || major?.request !== move.request || major.stage !== 'switching')
    throw new Error('The upgrade was given up meanwhile.');
  return {
    era: move.era,
    primary: move.node,
    standbys: [],
    reads: null,
    generation: record.generation + 1,
    spec: { ...spec, major: move.major },
    version: move.to,
    formerEras: [...record.formerEras, { era, major: spec.major, until }],
    former: {
      era,
      node: primary,
      major: spec.major,
      version,
      keptUntil: kept,
      useless: move.kind === 'revert' ? GONE_BACK : null,
    },
    major: { ...major, stage: 'concluding' },
  };
}

/** Another server: nothing that was seen of the one before counts. */
function adopt(state: ClusterState, { next, server }: Ready): void {
  Object.assign(state, {
    release: next.release,
    server,
    mayStartPrimary: true,
    promoted: false,
    fenced: false,
    failoverAt: null,
    directoriesReady: false,
    dataReady: false,
    configured: false,
    configurationLoaded: false,
    rolesRevision: -1,
    rolesDueAt: 0,
    sweepDueAt: 0,
    storedUpTo: null,
    storedBases: null,
  } satisfies Partial<ClusterState>);
  state.major.isClosed = false;
  state.applied.clear();
  state.restart.startedBy = next.release.version;
}

/** What fails here the steps of the loop do later: the gateway is told again. */
async function goOn(state: ClusterState, move: MajorMove, begun: number): Promise<void> {
  const { journal, restart, context } = state;
  const closedBefore = restart.pause?.closed ?? {};
  restart.pause = null;
  const moved = await moveGateway(state, resumeSessions).catch((error: unknown) => {
    context.log.warn({ cluster: journal.record.id, err: error }, 'the gateway is moved later');
    return null;
  });
  const closed = { ...closedBefore };
  for (const [kind, count] of Object.entries(moved?.closed ?? {})) closed[kind] = (closed[kind] ?? 0) + count;
  const sessions = { pauseMs: Date.now() - begun, kept: moved?.kept ?? null, closed };
  await journal.update(({ major }) => ({ major: major?.request === move.request ? { ...major, sessions } : major }));
}
