import { type MinorUpgrade, type MinorUpgradeRequest, minorUpgradeRequest } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import { majorOf } from '@borealis/postgres';
import type { ClusterState } from '../cluster/state.js';
import { toEngineError } from '../errors.js';
import { newestRelease, requireRelease } from '../releases/newest.js';
import { planRestart } from './plan-restart.js';
import { RefusedReleases } from './refused-releases.js';

/** As `Engine.upgradeMinor`. */
export async function upgradeMinor(state: ClusterState, asked: unknown): Promise<MinorUpgrade> {
  const wanted = checkRequest(asked);
  const to = await versionFor(state, wanted);
  const known = progress(state, wanted.request, to);
  if (known) return known;
  await refuseUnready(state, to, wanted);
  const { request, patienceSeconds } = wanted;
  await planRestart(state, { request, to, isTried: !wanted.force, patienceSeconds });
  return progress(state, request, to)!;
}

function checkRequest(asked: unknown): MinorUpgradeRequest {
  const parsed = minorUpgradeRequest.safeParse(asked);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new EngineError('unsupported', `The upgrade is refused: ${issue?.path.join('.')}: ${issue?.message}.`);
}

async function versionFor({ journal, context }: ClusterState, { version }: MinorUpgradeRequest): Promise<string> {
  const { build, spec } = journal.record;
  const { major } = spec;
  if (version !== null && majorOf(version) !== major)
    throw new EngineError('unsupported', `The cluster has PostgreSQL ${major}, and ${version} is of another major.`);
  try {
    if (version === null) return await newestRelease(context.options, build, major);
    await requireRelease(context.options, build, version);
    return version;
  } catch (error) {
    throw toEngineError(error);
  }
}

/** What has become of it; null when it was not begun. */
function progress({ journal: { record }, restart }: ClusterState, request: string, to: string): MinorUpgrade | null {
  const { next, lastRestart: last, version } = record;
  if (next?.to === to && version !== to)
    return { state: 'running', from: version, to, sentence: restart.sentence || 'Preparing the upgrade' };
  if (next) return null;
  if (last?.request === request && last.to === to) {
    if (last.failure !== null) return { state: 'failed', from: last.from, to, reason: last.failure };
    const { from, pauseMs, kept, closed } = last;
    return { state: 'done', from, to, pauseMs, kept, closed };
  }
  return version === to ? { state: 'done', from: to, to, pauseMs: 0, kept: null, closed: {} } : null;
}

async function refuseUnready(state: ClusterState, to: string, { force }: MinorUpgradeRequest): Promise<void> {
  const { id, next } = state.journal.record;
  if (next) throw new EngineError('conflict', `Another restart of "${id}" is under way.`);
  if (state.phase !== 'ready')
    throw new EngineError('not_ready', `The cluster "${id}" cannot be upgraded now: ${state.detail}`);
  const reason = force ? null : await new RefusedReleases(state.context.home.paths).reason(to);
  if (reason !== null) throw new EngineError('conflict', reason);
}
