import { setTimeout as sleep } from 'node:timers/promises';
import { connect, isArchiving } from '@borealis/postgres';
import { archiveOf } from '../archive/archive-of.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { Mutex } from '../system/mutex.js';
import { BASE_POLICY, isDue, superfluous } from './base-policy.js';
import { type Base, listBases, makeBase, removeBase, removeHalfMadeBases } from './bases.js';
import { isBeingCopied } from './source.js';

const LOOK_MS = 5000;

/** One base at a time in the whole process: the disk is the tenants'. */
const making = new Mutex();

/** Makes bases of a cluster as the policy asks and removes what it does not, with their log, until `signal` says so. */
export async function watchBases(state: ClusterState, signal: AbortSignal): Promise<void> {
  // What cannot be removed now is in nobody's way: it counts as no base.
  await removeHalfMadeBases(state.journal.paths.bases).catch(() => undefined);
  let readySince: number | null = null;
  while (!signal.aborted) {
    const { record } = state.journal;
    const isReady = state.phase === 'ready' && state.server !== null && record.accessInForce > 0;
    readySince = isReady ? (readySince ?? Date.now()) : null;
    if (readySince !== null)
      await look(state, readySince, signal).catch((error: unknown) => {
        if (signal.aborted) return;
        state.context.log.error(
          { cluster: record.id, err: error },
          'a base could not be made or removed; it is tried again',
        );
      });
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function look(state: ClusterState, readySince: number, signal: AbortSignal): Promise<void> {
  const { paths, record } = state.journal;
  const directory = paths.bases;
  const policy = { ...BASE_POLICY, ...state.context.options.bases };
  const newest = (await listBases(directory)).at(-1);
  const due = newest ? isDue(newest, policy, Date.now()) : Date.now() - readySince >= policy.first * 1000;
  if (due && !(newest && (await isQuiet(state, newest))) && (await isArchived(state))) {
    const made = await making.run(() => makeBase(directory, serverSpec(state), signal));
    state.context.log.info({ cluster: record.id, method: made.method, bytes: made.bytes }, 'a base was made');
  }
  if (isBeingCopied(state)) return;
  const gone = superfluous(await listBases(directory), policy, Date.now());
  for (const base of gone) await removeBase(directory, base);
  const [oldest] = await listBases(directory);
  if (gone.length > 0 && oldest) await archiveOf(state).prune(oldest.firstSegment);
}

/** True when hardly anything was written since: a base of now would save no replay. The base's own end takes up to two segments. */
async function isQuiet(state: ClusterState, { firstSegment }: Base): Promise<boolean> {
  const since = (await archiveOf(state).segments()).filter(({ name }) => name >= firstSegment);
  return since.length <= 2;
}

/** Without the log since then a base is of no use. */
async function isArchived(state: ClusterState): Promise<boolean> {
  const spec = serverSpec(state);
  const client = await connect(spec);
  return isArchiving(client, spec).finally(() => client.end());
}
