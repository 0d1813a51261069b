import { defineStrand, type LabelContext, type Outcome } from '@borealis/strands';
import { z } from 'zod';
import type { AddonWork } from '../addons/addon-work.js';
import { cancelUpgrade, runUpgrade, waitForUpgrade } from './major-steps.js';

const frame = z.object({ clusterId: z.string() });
type Frame = z.infer<typeof frame>;

export type MajorUpgradeWork = Pick<AddonWork, 'db' | 'engine' | 'log' | 'atLabel'>;
type Label = 'waitForUpgrade' | 'upgradeMajor' | 'cancelMajorUpgrade';
type Step = (work: MajorUpgradeWork, upgrade: { clusterId: string; request: string }) => Promise<Outcome<Label, Frame>>;

/**
 * A major upgrade of one cluster, or the way back from it, under its request: it asks the engine until there is an end, and writes that end down for
 * every add-on of the cluster. Signals: `cancel`. It ends with the row that it is about.
 */
export function majorUpgradeStrand(work: MajorUpgradeWork) {
  const run = (step: Step) => async (context: LabelContext<Frame>) => {
    for (const signal of context.signals) context.consume(signal);
    await work.atLabel?.('before', context.label);
    const outcome = await step(work, { ...context.frame, request: context.strandId });
    await work.atLabel?.('after', context.label);
    return outcome;
  };
  return defineStrand<Frame>()({
    name: 'major-upgrade',
    frame,
    start: 'waitForUpgrade',
    labels: {
      waitForUpgrade: { sentence: 'Waiting for its time', run: run(waitForUpgrade) },
      upgradeMajor: {
        sentence: 'Changing the major version of PostgreSQL',
        run: run(runUpgrade),
        deadlineSeconds: 12 * 3600,
      },
      cancelMajorUpgrade: {
        sentence: 'Giving the upgrade up',
        run: run(cancelUpgrade),
        deadlineSeconds: 600,
      },
    },
  });
}

export type MajorUpgradeStrand = ReturnType<typeof majorUpgradeStrand>;
