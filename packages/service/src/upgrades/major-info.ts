import type { PgVersionUpgrades, PostgresMajor } from '@borealis/contract';
import { findPlan } from '@borealis/contract';
import type { Addon } from '../addons/addon-store.js';
import type { ControlDatabase } from '../database.js';
import { newerMajors } from './major-begin.js';
import { outcomeOf } from './major-ending.js';
import { findMajorUpgrade, type MajorUpgradeRow } from './major-store.js';

/** Which major versions an add-on that is provisioned has, can have, and is on its way to. */
export async function majorUpgradeInfo(
  db: Pick<ControlDatabase, 'sql'>,
  addon: Addon,
  offered: readonly PostgresMajor[],
): Promise<PgVersionUpgrades> {
  const upgrade = await findMajorUpgrade(db, addon.cluster_id);
  const newer = newerMajors(addon.postgres_major, offered);
  const isRunning = upgrade?.state === 'running' || upgrade?.state === 'cancelling';
  return {
    currentPgMajorVersion: addon.postgres_major,
    nextPgMajorVersion: isRunning ? upgrade.to_major : (newer[0] ?? null),
    upgradeStatus: isRunning ? 'upgrading' : newer.length > 0 ? 'available' : 'maximum',
    availablePgMajorVersions: newer,
    automatic: findPlan(addon.plan)!.tenancy === 'shared',
    announcedFor: upgrade?.state === 'announced' ? upgrade.due_at.toISOString() : null,
    progress: isRunning ? progress(upgrade) : null,
    last: upgrade && last(upgrade),
  };
}

function progress({ state, answer }: MajorUpgradeRow): PgVersionUpgrades['progress'] {
  if (state === 'cancelling') return { stage: null, sentence: 'Giving it up' };
  if (answer?.state !== 'running') return { stage: null, sentence: 'Waiting for the database to take it' };
  return { stage: answer.stage, sentence: answer.sentence };
}

function last(upgrade: MajorUpgradeRow): PgVersionUpgrades['last'] {
  const { state, answer, ended_at } = upgrade;
  if (state !== 'ended' || answer === null || answer.state === 'running' || ended_at === null) return null;
  return {
    ...{ outcome: outcomeOf(upgrade, answer), from: answer.from, to: answer.to, endedAt: ended_at.toISOString() },
    findings: answer.state === 'failed' ? answer.findings : [],
    revertibleUntil: answer.state === 'done' ? answer.revertibleUntil : null,
  };
}
