import type { ClusterState } from '../cluster/state.js';
import { announceUpgrade } from './announce.js';
import { resumePaused } from './held-sessions.js';
import { RefusedReleases } from './refused-releases.js';
import type { PlannedRestart, RestartOutcome } from './restart-record.js';
import { newRestartState } from './restart-state.js';

/** Lets the sessions go on, and notes and tells what came of the restart. The server runs: by the release before, when there is a failure. */
export async function concludeRestart(state: ClusterState, next: PlannedRestart): Promise<void> {
  await resumePaused(state);
  if (next.blamesRelease) await refuseFailed(state, next);
  await noteOutcome(state, next, next.failure);
}

/** `failure` null: the server runs by what was planned. */
export async function noteOutcome(state: ClusterState, next: PlannedRestart, failure: string | null): Promise<void> {
  const { journal, restart } = state;
  const outcome = outcomeOf(state, next, failure);
  await announceUpgrade(state, outcome);
  await journal.update(({ version }) => ({
    version: failure === null ? next.to : version,
    next: null,
    lastRestart: outcome,
  }));
  state.restart = { ...newRestartState(), startedBy: restart.startedBy };
}

async function refuseFailed({ journal: { record }, context }: ClusterState, { to }: PlannedRestart): Promise<void> {
  const reason = `PostgreSQL ${to} did not start on the data of "${record.id}", where ${record.version} does.`;
  await new RefusedReleases(context.home.paths).refuse(to, reason);
}

function outcomeOf({ journal, restart }: ClusterState, next: PlannedRestart, failure: string | null): RestartOutcome {
  const ended = restart.pause?.ended ?? null;
  return {
    request: next.request,
    from: journal.record.version,
    to: next.to,
    failure,
    pauseMs: ended?.milliseconds ?? null,
    kept: ended?.kept ?? null,
    closed: sum(restart.pause?.closed ?? {}, ended?.closed ?? {}),
  };
}

function sum(one: Record<string, number>, other: Record<string, number>): Record<string, number> {
  const all = { ...one };
  for (const [kind, count] of Object.entries(other)) all[kind] = (all[kind] ?? 0) + count;
  return all;
}
