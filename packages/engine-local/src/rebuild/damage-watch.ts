import { rm } from 'node:fs/promises';
import { closedFile, damageIn, StartTimeout } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { nodeName, nodesWith } from '../nodes/roles.js';
import { findHeir, makePrimary } from '../nodes/take-over.js';
import { rebuildBases } from './rebuild-base.js';

/** So often in a row PostgreSQL has to say that its data is damaged before that is believed. */
const ATTEMPTS = 3;
/** So often where a standby has everything and does not run yet. */
const ATTEMPTS_WITH_HEIR = 9;

/**
 * Looks at why PostgreSQL could not be started. When it has said often enough that its data is damaged, and nothing else can be the reason,
 * a standby that has everything takes over; without one the record says that the data is to be rebuilt, and of data that was rebuilt just
 * now, that an older base is to be tried.
 */
export async function noteFailedStart(state: ClusterState, error: unknown): Promise<void> {
  const { record } = state.journal;
  const reason = record.born && record.archiveKey ? damageIn((error as Error).message) : null;
  // One that was given its time has tried again and again by itself: each of its processes that dies makes it begin anew.
  const attempts = error instanceof StartTimeout ? ATTEMPTS : 1;
  state.damages = reason === null ? 0 : state.damages + attempts;
  if (reason === null || state.damages < ATTEMPTS) return;
  // A standby loses nothing, which a base and the log may.
  if (!record.rebuild && nodesWith(record, 'eligible').length > 0) {
    const heir = await findHeir(state);
    if (heir === null && state.damages < ATTEMPTS_WITH_HEIR) return;
    state.damages = 0;
    if (heir !== null) return makePrimary(state, heir, `The data of ${nodeName(record.primary)} is damaged.`);
  }
  state.damages = 0;
  if (record.rebuild) return await tryOlderBase(state, record.rebuild.base);
  const { dataDirectory, os } = serverSpec(state);
  const closed = await closedFile(dataDirectory, os?.uid ?? process.getuid!());
  if (closed !== null) throw new Error(`PostgreSQL does not start (${reason}), and "${closed}" is closed to its user.`);
  if ((await rebuildBases(state, null)).length === 0)
    throw new Error(`PostgreSQL does not start (${reason}), and there is no base to rebuild its data from.`);
  state.context.log.error({ cluster: record.id, reason }, 'the data is damaged and is rebuilt');
  const rebuild = { reason, begunAt: new Date().toISOString(), base: null, failedFrom: null };
  // The rebuilt data may lack what a standby has, and has it in another order of time: none may take over, each is made anew.
  await state.journal.update(({ standbys }) => ({
    rebuild,
    standbys: standbys.map(({ node }) => ({ node, role: 'stale' })),
  }));
  beginAnew(state);
}

/** The damaged data is kept aside already: what was made in its place is of no use to anybody. */
async function tryOlderBase(state: ClusterState, failedFrom: string | null): Promise<void> {
  const { journal } = state;
  if (failedFrom === null || (await rebuildBases(state, failedFrom)).length === 0) return;
  await journal.update(({ rebuild }) => ({ rebuild: rebuild && { ...rebuild, base: null, failedFrom } }));
  await rm(journal.paths.data, { recursive: true, force: true, maxRetries: 5 });
  beginAnew(state);
}

function beginAnew(state: ClusterState): void {
  state.dataReady = false;
  state.configured = false;
  state.configurationLoaded = false;
}
