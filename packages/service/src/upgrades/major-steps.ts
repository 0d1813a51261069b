import { isDeepStrictEqual } from 'node:util';
import type { MajorUpgrade, PostgresMajor } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import { done, go, nap } from '@borealis/strands';
import type { ClientBase } from 'pg';
import { queriesOn } from '../database.js';
import { beginMaintenance } from './major-begin.js';
import { endMajorUpgrade, keepAndTell } from './major-ending.js';
import { findMajorUpgrade, type MajorUpgradeRow, majorUpgradeAge, setMajorUpgrade } from './major-store.js';
import type { MajorUpgradeWork } from './major-upgrade.strand.js';

/** What the engine has not even begun by then is given up. */
const BEGIN_WITHIN_SECONDS = 1800;
const AGAIN_SECONDS = 5;
/** Until every add-on of a cluster is at rest. */
const NOT_AT_REST_SECONDS = 30;
const LOOK_SECONDS = { shortest: 0.2, longest: 5 };

interface Upgrade {
  clusterId: string;
  request: string;
}

/** Begins when it is due and every add-on of the cluster is at rest. */
export async function waitForUpgrade(work: MajorUpgradeWork, { clusterId, request }: Upgrade) {
  const upgrade = await own(work, clusterId, request);
  if (!upgrade) return done();
  if (upgrade.state !== 'announced') return go('upgradeMajor');
  const age = await majorUpgradeAge(work.db, request);
  if (age < 0) return nap(Math.min(-age, 3600));
  const isBegun = await work.db.transaction(async (tx) => {
    if (!(await beginMaintenance(tx, clusterId))) return false;
    return setMajorUpgrade(tx, upgrade, { state: 'running' });
  });
  return isBegun ? go('upgradeMajor') : nap(NOT_AT_REST_SECONDS);
}

/** Asks the engine for it, which begins it or says how far it is. It is never parked: what fails is asked for again. */
export async function runUpgrade(work: MajorUpgradeWork, { clusterId, request }: Upgrade) {
  const upgrade = await own(work, clusterId, request);
  if (!upgrade) return done();
  if (upgrade.state === 'cancelling') return go('cancelMajorUpgrade');
  try {
    const answer = await ask(work, upgrade);
    if (answer.state !== 'running') return end(work, upgrade, answer);
    return nap(await pause(work, request), {}, (client) => keepAnswer(client, upgrade, answer));
  } catch (error) {
    return setback(work, upgrade, error);
  }
}

/** Until the engine says that nothing is left of it, or that it is too late. */
export async function cancelUpgrade(work: MajorUpgradeWork, { clusterId, request }: Upgrade) {
  const upgrade = await own(work, clusterId, request);
  if (!upgrade) return done();
  try {
    const answer = await work.engine.cancelMajorUpgrade(clusterId, request);
    return answer.state === 'running' ? nap(LOOK_SECONDS.shortest) : end(work, upgrade, outcome(upgrade, answer));
  } catch (error) {
    const code = error instanceof EngineError ? error.code : null;
    if (code === 'not_found') return end(work, upgrade, outcome(upgrade, cancelled(upgrade)));
    if (code === 'conflict')
      return go('upgradeMajor', {}, async (client) => {
        await setMajorUpgrade({ sql: queriesOn(client) }, upgrade, { state: 'running', answer: null });
      });
    work.log.warn({ cluster: clusterId, err: error }, 'a major upgrade could not be given up yet; it is tried again');
    return nap(AGAIN_SECONDS);
  }
}

/** The row, unless another one has taken its place or it has ended. */
async function own(work: MajorUpgradeWork, clusterId: string, request: string): Promise<MajorUpgradeRow | null> {
  const upgrade = await findMajorUpgrade(work.db, clusterId);
  return upgrade?.request === request && upgrade.state !== 'ended' ? upgrade : null;
}

function ask({ engine }: MajorUpgradeWork, upgrade: MajorUpgradeRow) {
  const { cluster_id: id, request, way, to_major, patience_seconds: patienceSeconds } = upgrade;
  const wanted = { request, patienceSeconds };
  if (way === 'back') return engine.revertMajorUpgrade(id, wanted);
  return engine.upgradeMajor(id, { ...wanted, major: to_major as PostgresMajor });
}

/** What is never possible ends it; what does not begin for long is taken back, so that the add-on is not under maintenance for nothing. */
async function setback(work: MajorUpgradeWork, upgrade: MajorUpgradeRow, error: unknown) {
  const reason = (error as Error).message;
  if (error instanceof EngineError && error.code === 'unsupported') return end(work, upgrade, failed(upgrade, reason));
  work.log.warn({ cluster: upgrade.cluster_id, err: error }, 'a major upgrade cannot go on now; it is tried again');
  const isLate = (await majorUpgradeAge(work.db, upgrade.request)) > BEGIN_WITHIN_SECONDS;
  if (upgrade.answer !== null || !isLate) return nap(AGAIN_SECONDS);
  return go('cancelMajorUpgrade', {}, async (client) => {
    const answer = failed(upgrade, reason);
    await setMajorUpgrade({ sql: queriesOn(client) }, upgrade, { state: 'cancelling', answer });
  });
}

/** A row write. Whoever owns an add-on of the cluster is told when the rehearsal is over: what people notice begins there. */
async function keepAnswer(client: ClientBase, upgrade: MajorUpgradeRow, answer: MajorUpgrade): Promise<void> {
  if (isDeepStrictEqual(upgrade.answer, answer)) return;
  const db = { sql: queriesOn(client) };
  if (hasBegun(answer) && !hasBegun(upgrade.answer)) return keepAndTell(db, upgrade, answer);
  await setMajorUpgrade(db, upgrade, { answer });
}

const hasBegun = (answer: MajorUpgrade | null) => answer?.state === 'running' && answer.stage !== 'rehearsing';

function end(work: MajorUpgradeWork, upgrade: MajorUpgradeRow, answer: MajorUpgrade) {
  const { cluster_id: cluster, from_major: from, to_major: to } = upgrade;
  if (answer.state === 'failed')
    work.log.error(
      { alarm: 'major-upgrade-failed', cluster, from, to, findings: answer.findings },
      'a cluster keeps its major version of PostgreSQL',
    );
  return done((client) => endMajorUpgrade({ sql: queriesOn(client) }, upgrade, answer));
}

/** What was given up for a reason has failed. */
function outcome({ answer: before }: MajorUpgradeRow, answer: MajorUpgrade): MajorUpgrade {
  return answer.state === 'cancelled' && before?.state === 'failed' ? before : answer;
}

const versions = ({ from_major: from, to_major: to }: MajorUpgradeRow) => ({ from, to });
const cancelled = (upgrade: MajorUpgradeRow): MajorUpgrade => ({ state: 'cancelled', ...versions(upgrade) });
const failed = (upgrade: MajorUpgradeRow, finding: string): MajorUpgrade => ({
  ...{ state: 'failed', ...versions(upgrade) },
  findings: [finding],
});

/** Seconds to the next look: soon at first, when a small database is through its rehearsal. */
async function pause(work: MajorUpgradeWork, request: string): Promise<number> {
  const { shortest, longest } = LOOK_SECONDS;
  return Math.min(Math.max((await majorUpgradeAge(work.db, request)) / 20, shortest), longest);
}
