import { setTimeout as sleep } from 'node:timers/promises';
import {
  applyRoles,
  caughtUp,
  connect,
  hasWayBack,
  logEnd,
  prepareCarryOver,
  prepareWayBack,
  type ServerIdentity,
  type ServerSpec,
  syncProgress,
  unguardSchema,
} from '@borealis/postgres';
import { serverSpec, wantedAccess } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { feedAgain, feedFormer, isRevertible } from './carry.js';
import type { MajorMove } from './major-record.js';
import { otherOf } from './make-next.js';
import { removeGone } from './remove-gone.js';
import { passwordFile, runOther, specOfOther, tenantDatabases } from './sides.js';
import { feedingOf, requireKeptLog } from './subscribed.js';

const CLOSE_MS = 5000;
const LOOK_MS = 50;

/** The former server cannot take over, now or later. */
export class NoWayBack extends Error {}

/** A server that can take over. */
export interface Ready {
  next: ServerSpec;
  server: ServerIdentity;
  databases: readonly string[];
}

/**
 * Makes sure that the server that is to take over runs, has all roles of the document in force, and is hardly behind; null while it is not. A
 * database that it does not have sends the upgrade back to copying.
 */
export async function makeReady(state: ClusterState, move: MajorMove): Promise<Ready | null> {
  // Whoever kept the former server until now has finished what he was at.
  await state.feeding.run(async () => {});
  const source = serverSpec(state);
  const databases = await tenantDatabases(source);
  const next = await specOfOther(state, otherOf(move), databases.length);
  const server = await runOther(state, otherOf(move), next);
  await applyRoles((database) => connect(next, database), wantedAccess(state), new Map());
  if (move.kind === 'revert') await requireFed(state, move, { source, next, databases });
  else if (!(await hasAll(next, databases))) {
    await state.journal.update(({ major }) => ({
      major: major?.request === move.request && major.stage === 'switching' ? { ...major, stage: 'copying' } : major,
    }));
    return null;
  }
  if (move.kind === 'upgrade' && isRevertible(state)) await prepareWayBack(next, databases);
  await feedAgain(next, databases);
  for (const database of databases) await prepareCarryOver(source, next, database);
  return (await isClose(source, next, databases)) ? { next, server, databases } : null;
}

interface Sides {
  source: ServerSpec;
  next: ServerSpec;
  databases: readonly string[];
}

/** Throws a `NoWayBack` when there is none any more. */
async function requireFed(state: ClusterState, move: MajorMove, { source, next, databases }: Sides): Promise<void> {
  await removeGone(state, next, databases);
  await requireKeptLog(source, next, databases);
  const file = await passwordFile(state, source, move);
  for (const database of databases) {
    if (!(await hasWayBack(source, database)))
      throw new NoWayBack(`The schema of the database "${database}" was changed after the upgrade.`);
    await feedFormer(source, next, database, file);
  }
  // Nobody comes in there yet; sessions that go on there need temporary objects at once.
  await unguardSchema(next, databases);
}

async function hasAll(next: ServerSpec, databases: readonly string[]): Promise<boolean> {
  for (const database of databases) {
    const { ready, all } = await syncProgress(next, database);
    if (all > ready || (await feedingOf(next, database)) === 'none') return false;
  }
  return true;
}

/** True when what is written now is there within seconds. */
async function isClose(source: ServerSpec, next: ServerSpec, databases: readonly string[]): Promise<boolean> {
  const deadline = Date.now() + CLOSE_MS;
  const end = await logEnd(source);
  while (!(await caughtUp(source, next, databases, end))) {
    if (Date.now() > deadline) return false;
    await sleep(LOOK_MS);
  }
  return true;
}
