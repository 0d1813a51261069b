import {
  type MajorRevertRequest,
  type MajorUpgrade,
  type MajorUpgradeRequest,
  majorRevertRequest,
  majorUpgradeRequest,
} from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import type { z } from 'zod';
import type { ClusterRecord } from '../cluster/record.js';
import type { ClusterState } from '../cluster/state.js';
import { toEngineError } from '../errors.js';
import { newestRelease } from '../releases/newest.js';
import type { FormerServer, MajorMove } from './major-record.js';
import { newMajorState } from './major-state.js';

/** As `Engine.upgradeMajor`. */
export async function upgradeMajor(state: ClusterState, asked: unknown): Promise<MajorUpgrade> {
  const wanted = check<MajorUpgradeRequest>(majorUpgradeRequest, asked);
  const known = progress(state, wanted.request);
  if (known) return known;
  const to = await releaseOf(state, wanted);
  await begin(state, (record) => {
    if (Number(wanted.major) <= Number(record.spec.major))
      throw new EngineError('unsupported', `The cluster has PostgreSQL ${record.spec.major} already.`);
    return upgradeTo(record, wanted, to);
  });
  return progress(state, wanted.request)!;
}

/** As `Engine.revertMajorUpgrade`. */
export async function revertMajorUpgrade(state: ClusterState, asked: unknown): Promise<MajorUpgrade> {
  const wanted = check<MajorRevertRequest>(majorRevertRequest, asked);
  const known = progress(state, wanted.request);
  if (known) return known;
  await begin(state, (record) => revertTo(record, wanted, usableFormer(record)));
  return progress(state, wanted.request)!;
}

/** As `Engine.cancelMajorUpgrade`. */
export async function cancelMajorUpgrade(state: ClusterState, request: string): Promise<MajorUpgrade> {
  const { journal } = state;
  if (journal.record.major?.request === request) {
    await journal.update(({ major }) => {
      if (major?.request !== request || major.stage === 'undoing') return {};
      if (major.stage === 'concluding') throw tooLate(major);
      return { major: { ...major, stage: 'undoing', findings: [] } };
    });
    state.wake();
  }
  const answer = progress(state, request);
  if (!answer) throw new EngineError('not_found', `"${journal.record.id}" knows nothing of this upgrade.`);
  if (answer.state === 'done') throw tooLate(answer);
  return answer;
}

const tooLate = ({ to }: { to: string }) =>
  new EngineError('conflict', `PostgreSQL ${to} has taken over: there is nothing to cancel any more.`);

function check<T>(schema: z.ZodType<T>, asked: unknown): T {
  const parsed = schema.safeParse(asked);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new EngineError('unsupported', `The upgrade is refused: ${issue?.path.join('.')}: ${issue?.message}.`);
}

async function releaseOf({ journal, context }: ClusterState, { major }: MajorUpgradeRequest): Promise<string> {
  try {
    return await newestRelease(context.options, journal.record.build, major);
  } catch (error) {
    throw toEngineError(error);
  }
}

const SHOWN = {
  rehearsing: 'rehearsing',
  copying: 'copying',
  undoing: 'copying',
  switching: 'switching',
  concluding: 'switching',
} as const;

/** What has become of it; null when it was not begun. */
function progress({ journal: { record }, major }: ClusterState, request: string): MajorUpgrade | null {
  const { major: move, lastMajor: last, former } = record;
  if (move?.request === request) {
    const { from, to } = move;
    const sentence = major.sentence || 'Preparing the upgrade';
    return { state: 'running', stage: SHOWN[move.stage], from, to, sentence };
  }
  if (last?.request !== request) return null;
  const { from, to, result, findings, pauseMs, kept, closed } = last;
  if (result === 'cancelled') return { state: 'cancelled', from, to };
  if (result === 'failed') return { state: 'failed', from, to, findings };
  const revertibleUntil =
    last.kind === 'upgrade' && former?.useless === null && isFuture(former) ? former.keptUntil : null;
  return { state: 'done', from, to, pauseMs, kept, closed, revertibleUntil };
}

async function begin(state: ClusterState, move: (record: ClusterRecord) => MajorMove): Promise<void> {
  refuseUnready(state);
  await state.journal.update((record) => {
    refuseOtherWork(record);
    return { major: move(record) };
  });
  state.major = newMajorState();
  state.wake();
}

function refuseUnready({ journal: { record }, phase, detail }: ClusterState): void {
  if (record.wanted === 'gone') throw new EngineError('conflict', `The cluster "${record.id}" is being destroyed.`);
  if (phase !== 'ready' || record.access === null)
    throw new EngineError('not_ready', `The cluster "${record.id}" cannot be upgraded now: ${detail}`);
}

function refuseOtherWork({ id, major, next, change, failover, rebuild, access }: ClusterRecord): void {
  if (major) throw new EngineError('conflict', `Another change of the major of "${id}" is under way.`);
  if (next || change) throw new EngineError('conflict', `"${id}" is being restarted with another release or size.`);
  if (failover || rebuild) throw new EngineError('not_ready', `"${id}" is recovering.`);
  const closed = access?.databases.find(({ restricted }) => restricted);
  if (closed)
    throw new EngineError('conflict', `The database "${closed.name}" is restricted, and so cannot be upgraded.`);
}

function upgradeTo(
  record: ClusterRecord,
  { request, major, patienceSeconds }: MajorUpgradeRequest,
  to: string,
): MajorMove {
  const taken = [record.era, record.former?.era ?? 0, ...record.formerEras.map(({ era }) => era)];
  const place = { era: Math.max(...taken) + 1, node: 1, major, from: record.version, to };
  const rest = { patienceSeconds, closeAfter: null, findings: [], sessions: null };
  return { request, kind: 'upgrade', stage: 'rehearsing', ...place, ...rest };
}

function revertTo(
  record: ClusterRecord,
  { request, patienceSeconds }: MajorRevertRequest,
  former: FormerServer,
): MajorMove {
  const { era, node, major, version } = former;
  const closeAfter = new Date(Date.now() + patienceSeconds * 1000).toISOString();
  const rest = { patienceSeconds, closeAfter, findings: [], sessions: null };
  return { request, kind: 'revert', stage: 'switching', era, node, major, from: record.version, to: version, ...rest };
}

const isFuture = ({ keptUntil }: FormerServer) => Date.parse(keptUntil) > Date.now();

function usableFormer({ id, former }: ClusterRecord): FormerServer {
  if (!former || !isFuture(former))
    throw new EngineError('unsupported', `There is no former server of "${id}" to go back to.`);
  if (former.useless !== null)
    throw new EngineError('unsupported', `There is no way back to PostgreSQL ${former.version}: ${former.useless}`);
  return former;
}
