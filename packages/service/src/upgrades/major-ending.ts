import type { EventType, MajorUpgrade } from '@borealis/contract';
import type { Addon } from '../addons/addon-store.js';
import { findCluster } from '../addons/cluster-store.js';
import type { ControlDatabase } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import { type Notice, writeMail } from '../mail/mailbox.js';
import { endMaintenance, openCluster } from './major-begin.js';
import { upgradeBegun, upgradeCancelled, upgradeCompleted, upgradeFailed, upgradeReverted } from './major-notices.js';
import { closeMajorUpgrade, lockAddonsOf, type MajorUpgradeRow, setMajorUpgrade } from './major-store.js';

type Queries = Pick<ControlDatabase, 'sql'>;
type Ended = Exclude<MajorUpgrade, { state: 'running' }>;

/** Keeps how far it has come, and tells everybody with an add-on in the cluster that it is under way. */
export async function keepAndTell(tx: Queries, upgrade: MajorUpgradeRow, answer: MajorUpgrade): Promise<void> {
  const addons = await lockAddonsOf(tx, upgrade.cluster_id);
  if (!(await setMajorUpgrade(tx, upgrade, { answer })) || upgrade.way === 'back') return;
  const isShared = await isSharedCluster(tx, upgrade.cluster_id);
  const { from, to } = answer;
  for (const addon of addons) {
    if (isShared) await record(tx, addon, 'db-major-upgrade-started', { from_version: from, to_version: to });
    await writeMail(tx.sql, addon.id, upgradeBegun({ addon: addon.name, from, to, isShared }));
  }
}

/** Writes an end down, once: the major that the cluster and its add-ons have, what people are told, and that it is over. */
export async function endMajorUpgrade(tx: Queries, upgrade: MajorUpgradeRow, answer: MajorUpgrade): Promise<void> {
  if (answer.state === 'running') throw new Error('BUG: a major upgrade that runs has no end');
  const addons = await lockAddonsOf(tx, upgrade.cluster_id);
  if (!(await closeMajorUpgrade(tx, upgrade.request, answer))) return;
  const major = answer.state === 'done' ? upgrade.to_major : upgrade.from_major;
  await endMaintenance(tx, upgrade.cluster_id, major);
  await openCluster(tx, upgrade.cluster_id, major);
  const isShared = await isSharedCluster(tx, upgrade.cluster_id);
  for (const addon of addons) {
    // Of a cluster with one add-on the engine tells it itself.
    if (isShared) await record(tx, addon, TYPES[outcomeOf(upgrade, answer)], attributes(answer));
    await writeMail(tx.sql, addon.id, notice(addon, upgrade, answer));
  }
}

async function isSharedCluster(tx: Queries, clusterId: string): Promise<boolean> {
  return (await findCluster(tx, clusterId))?.tenancy === 'shared';
}

type Outcome = 'done' | 'reverted' | 'failed' | 'cancelled';

/** What came of it, for people. */
export function outcomeOf({ way }: Pick<MajorUpgradeRow, 'way'>, { state }: Ended): Outcome {
  return state === 'done' && way === 'back' ? 'reverted' : state;
}

const TYPES = {
  done: 'db-major-upgrade-completed',
  reverted: 'db-major-upgrade-reverted',
  failed: 'db-major-upgrade-failed',
  cancelled: 'db-major-upgrade-cancelled',
} as const satisfies Record<Outcome, EventType>;

function record(tx: Queries, { id }: Addon, type: EventType, more: Record<string, string | number>): Promise<boolean> {
  return recordEvent(tx.sql, { addonId: id, type, attributes: more });
}

/** Of all that share a cluster: whose sessions they were stays untold. */
function attributes(answer: Ended): Record<string, string | number> {
  const versions = { from_version: answer.from, to_version: answer.to };
  const isTold = answer.state === 'done' && answer.pauseMs !== null;
  return isTold ? { ...versions, pause_ms: answer.pauseMs! } : versions;
}

function notice(addon: Addon, upgrade: MajorUpgradeRow, answer: Ended): Notice {
  const facts = { addon: addon.name, from: answer.from, to: answer.to };
  if (answer.state === 'failed') return upgradeFailed({ ...facts, findings: answer.findings, way: upgrade.way });
  if (answer.state === 'cancelled') return upgradeCancelled(facts);
  const { pauseMs, closed } = answer;
  const count = Object.values(closed).reduce((sum, one) => sum + one, 0);
  const told = { ...facts, pauseMs, closed: count };
  return upgrade.way === 'back' ? upgradeReverted(told) : upgradeCompleted(told);
}
