import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '@borealis/engine';
import { ensureRelease, minorOf, offeredRelease } from '@borealis/postgres';
import type { ClusterReconciler } from '../cluster/reconciler.js';
import type { ClusterState } from '../cluster/state.js';
import { planRestart } from './plan-restart.js';
import { RefusedReleases } from './refused-releases.js';

/** Who wants to use the database waits for it. */
const LONGEST_FETCH_MS = 60_000;

/** Resolves when the cluster is ready and no restart of it is planned; throws when a step fails. */
export async function untilSettled(cluster: ClusterReconciler): Promise<void> {
  const { state } = cluster;
  await cluster.until(() => {
    if (state.phase === 'ready' && state.journal.record.next === null) return true;
    if (cluster.stopped) throw new EngineError('unavailable', 'The keeper is stopping.');
    if (state.trouble) throw state.trouble;
    return undefined;
  });
}

/**
 * Puts the newest release of its major in place of a settled cluster that nobody uses yet; resolves when it is settled again. It is not tried
 * before: a release that does not start is refused for the whole home, and the server runs by the one before, as it does when the new one
 * cannot be had. That is told with an alarm, each time. Throws as `untilSettled`.
 */
export async function upgradeBeforeUse(cluster: ClusterReconciler): Promise<void> {
  const { id, spec, version } = cluster.state.journal.record;
  const to = offeredRelease(spec.major).version;
  if (minorOf(to) <= minorOf(version)) return;
  const reason = (await begin(cluster.state, to)) ?? (await outcome(cluster));
  if (reason === null) return;
  const fields = { alarm: 'minor-upgrade', cluster: id, from: version, to, reason };
  cluster.state.context.log.error(fields, 'the service’s own server keeps its release');
}

/** Null, or why no restart is planned. */
async function begin(state: ClusterState, to: string): Promise<string | null> {
  const { home, options } = state.context;
  const refused = await new RefusedReleases(home.paths).reason(to);
  if (refused !== null) return refused;
  try {
    const fetched = ensureRelease({ version: to, cacheDir: options.cacheDir });
    if (!(await isInTime(fetched))) return `PostgreSQL ${to} is still being fetched.`;
    await planRestart(state, { request: randomUUID(), to, isTried: false, patienceSeconds: 0 });
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Throws what the work throws in time; it goes on after that. */
async function isInTime(work: Promise<unknown>): Promise<boolean> {
  work.catch(() => undefined);
  const end = new AbortController();
  const late = sleep(LONGEST_FETCH_MS, false, { signal: end.signal, ref: false }).catch(() => false);
  return Promise.race([work.then(() => true), late]).finally(() => end.abort());
}

/** Null, or why the restart was taken back. */
async function outcome(cluster: ClusterReconciler): Promise<string | null> {
  await untilSettled(cluster);
  return cluster.state.journal.record.lastRestart?.failure ?? null;
}
