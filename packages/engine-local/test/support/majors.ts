import { setTimeout as sleep } from 'node:timers/promises';
import type { MajorUpgrade, PostgresMajor } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import { GENEROUS } from './home.js';

const LOOK_MS = 200;
/** Two servers are made and everything is read twice: a machine that does much else takes minutes for it. */
const LONGEST_MS = 2 * GENEROUS;

/** What comes of a call for a change of the major that is repeated until it has an end, whatever keeper answers meanwhile. */
export async function endOf(ask: () => Promise<MajorUpgrade>): Promise<MajorUpgrade> {
  const end = Date.now() + LONGEST_MS;
  for (;;) {
    const answer = await ask().catch((error: { retryable?: boolean }) => {
      if (!error.retryable) throw error;
      return null;
    });
    if (answer && answer.state !== 'running') return answer;
    if (Date.now() > end) throw new Error(`the upgrade never ended: ${JSON.stringify(answer)}`);
    await sleep(LOOK_MS);
  }
}

/** An upgrade until its end. */
export function upgradeOf(
  engine: () => Engine,
  id: string,
  request: string,
  major: PostgresMajor,
): Promise<MajorUpgrade> {
  return endOf(() => engine().upgradeMajor(id, { request, major, patienceSeconds: 60 }));
}

/** The way back until its end. */
export function revertOf(engine: () => Engine, id: string, request: string): Promise<MajorUpgrade> {
  return endOf(() => engine().revertMajorUpgrade(id, { request, patienceSeconds: 60 }));
}
