import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  applyRoles,
  connect,
  copiedBytes,
  copySchema,
  guardSchema,
  prepareSource,
  type ServerSpec,
  subscribe,
  syncProgress,
} from '@borealis/postgres';
import { archiveOf } from '../archive/archive-of.js';
import { takeSpooled } from '../archive/take-spooled.js';
import { toolsFor } from '../backups/means.js';
import { serverSpec, wantedAccess } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { listBases, makeBase } from '../copies/bases.js';
import { noRoom, roomForCopy } from '../copies/room.js';
import type { MajorMove } from './major-record.js';
import { removeFormer } from './remove-former.js';
import { type Other, passwordFile, pathsOfOther, runOther, specOfOther, tenantDatabases } from './sides.js';
import { feedingOf, requireKeptLog } from './subscribed.js';

const LOOK_MS = 500;

/** The server that takes over, as `Other`. */
export function otherOf({ era, node, to }: MajorMove): Other {
  return { era, node, version: to };
}

/**
 * Makes the server of the next major, with everything that is in the present one, which feeds it from then on; returns when all of it is there.
 * Whatever a killed keeper has done of it is adopted. Returns what the next major does not take, a sentence each.
 */
export async function makeNext(state: ClusterState, move: MajorMove, signal: AbortSignal): Promise<string[]> {
  const { major } = state;
  await removeFormer(state);
  const source = serverSpec(state);
  const databases = await tenantDatabases(source);
  major.sentence = 'Making a server of the next major';
  if (!existsSync(pathsOfOther(state, move).data)) await requireRoomForRows(state, source);
  const next = await specOfOther(state, otherOf(move), databases.length);
  await runOther(state, otherOf(move), next);
  major.sentence = 'Waiting for changes of the schema to end';
  while (!(await guardSchema(source, databases))) await sleep(LOOK_MS, undefined, { signal });
  major.sentence = 'Copying the schema';
  await applyRoles((database) => connect(next, database), wantedAccess(state), new Map());
  const findings = await copySchemas(state, move, { source, next, databases }, signal);
  if (findings.length > 0) return findings;
  await prepareSource(source, databases);
  const file = await passwordFile(state, source, move);
  for (const database of databases) {
    if ((await feedingOf(next, database)) !== 'none') await requireKeptLog(source, next, [database]);
    await subscribe(source, next, database, { passwordFile: file });
  }
  await untilCopied(state, move, { next, databases }, signal);
  major.sentence = 'Collecting statistics in the next server';
  for (const database of databases) await analyze(next, database);
  await firstBase(state, move, next, signal);
  return [];
}

/** Rows are written anew, so that no blocks are shared. */
async function requireRoomForRows(state: ClusterState, source: ServerSpec): Promise<void> {
  const { reserved, free } = await roomForCopy(state, 0);
  const needed = reserved + (await copiedBytes(source.dataDirectory));
  if (free < needed) throw noRoom(state.journal.record.id, { needed, reserved, free });
}

interface Sides {
  source: ServerSpec;
  next: ServerSpec;
  databases: readonly string[];
}

async function copySchemas(
  state: ClusterState,
  move: MajorMove,
  { source, next, databases }: Sides,
  signal: AbortSignal,
): Promise<string[]> {
  const tools = await toolsFor(state, move.major);
  const findings: string[] = [];
  for (const database of databases) findings.push(...(await copySchema(source, next, database, { tools, signal })));
  return findings;
}

async function untilCopied(
  state: ClusterState,
  move: MajorMove,
  { next, databases }: Omit<Sides, 'source'>,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const found = await Promise.all(databases.map((database) => syncProgress(next, database)));
    const ready = found.reduce((sum, one) => sum + one.ready, 0);
    const all = found.reduce((sum, one) => sum + one.all, 0);
    if (ready === all) return;
    state.major.sentence = `Copying the rows: ${ready} of ${all} tables are there`;
    await archiveNext(state, move);
    await sleep(LOOK_MS, undefined, { signal });
  }
}

async function analyze(next: ServerSpec, database: string): Promise<void> {
  const client = await connect(next, database);
  await client.query('analyze').finally(() => client.end());
}

/** What the next server has finished of its log, so that its spool does not fill the disk. */
export async function archiveNext(state: ClusterState, move: Pick<MajorMove, 'era' | 'node'>): Promise<void> {
  if (state.journal.record.archiveKey) await takeSpooled(archiveOf(state, pathsOfOther(state, move)));
}

/** From the cut-over on every moment can be restored. */
async function firstBase(state: ClusterState, move: MajorMove, next: ServerSpec, signal: AbortSignal): Promise<void> {
  if (!state.journal.record.archiveKey) return;
  const { bases } = pathsOfOther(state, move);
  if ((await listBases(bases)).length > 0) return;
  state.major.sentence = 'Making a first base of the next server';
  await makeBase(bases, next, { signal });
}
