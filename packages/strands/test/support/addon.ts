import { z } from 'zod';
import { defineStrand, done, go, nap } from '../../src/index.js';

export const addonFrame = z.object({ cluster: z.string().optional(), checks: z.number() });
export type AddonFrame = z.infer<typeof addonFrame>;

/** The shape of a real workflow: created, waited for, idle until asked, removed in two steps. */
export function addon(create: (tries: number) => Promise<void> = async () => {}) {
  return defineStrand<AddonFrame>()({
    name: 'addon',
    frame: addonFrame,
    start: 'create',
    destroy: 'remove',
    destroying: ['removed'],
    labels: {
      create: {
        sentence: 'Creating the cluster',
        maxTries: 3,
        run: async ({ strandId, tries }) => {
          await create(tries);
          return go('wait', { cluster: `c-${strandId}` });
        },
      },
      wait: {
        sentence: 'Waiting for the database to accept connections',
        run: async ({ frame: { checks } }) => (checks < 2 ? nap(0.02, { checks: checks + 1 }) : go('idle')),
      },
      idle: {
        sentence: 'Available',
        run: async ({ signals, consume }) => {
          if (!signals.includes('rotate')) return nap(3600);
          consume('rotate');
          return go('rotate');
        },
      },
      rotate: { sentence: 'Rotating credentials', run: async () => go('idle') },
      remove: { sentence: 'Removing the cluster', run: async () => go('removed') },
      removed: { sentence: 'Removing what is left', run: async () => done() },
    },
  });
}
