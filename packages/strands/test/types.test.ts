import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineStrand, done, go, nap } from '../src/index.js';

interface Frame {
  cluster?: string;
  checks: number;
}
const frame: z.ZodType<Frame> = z.object({ cluster: z.string().exactOptional(), checks: z.number() });
const end = { sentence: 'Ending', run: async () => done() };

// What this file shows is shown by the compiler: an unused @ts-expect-error is an error.
test('mistyped labels and frame fields do not compile', () => {
  const kinds = [
    defineStrand<Frame>()({
      name: 'good',
      frame,
      start: 'one',
      labels: {
        one: {
          sentence: 'One',
          run: async ({ frame: { checks }, tries }) =>
            checks > tries ? nap(1, { checks: 0 }) : tries > 3 ? done() : go('end', { cluster: 'c' }),
        },
        end,
      },
    }),
    defineStrand<Frame>()({
      name: 'typos',
      frame,
      // @ts-expect-error no such label
      start: 'ones',
      // @ts-expect-error no such label
      destroy: 'destory',
      labels: {
        // @ts-expect-error no such label
        one: { sentence: 'One', run: async () => go('edn') },
        // @ts-expect-error no such field
        two: { sentence: 'Two', run: async () => go('end', { clutser: 'c' }) },
        // @ts-expect-error a field of another type
        three: { sentence: 'Three', run: async () => nap(1, { checks: 'many' }) },
        end,
      },
    }),
  ];
  expect(kinds.map((kind) => kind.name)).toEqual(['good', 'typos']);
});
