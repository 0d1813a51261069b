import { z } from 'zod';

/**
 * `preparing`: the release is fetched and tried. `waiting`: for a moment in which sessions can be held. `switching`: from now on the server
 * is started by `to`. `reverting`: it did not start by it, and is started as before.
 */
const STAGES = ['preparing', 'waiting', 'switching', 'reverting'] as const;

/** A planned restart under way. */
export const plannedRestart = z.object({
  /** Who asked for it chose it. */
  request: z.string(),
  /** PostgreSQL's own number of the release that is put in place. */
  to: z.string(),
  stage: z.enum(STAGES),
  /** True: a new release is tried on a copy of the data first. */
  isTried: z.boolean(),
  patienceSeconds: z.number(),
  /** From then on what cannot be held is closed; null before it is waited for. */
  closeAfter: z.iso.datetime().nullable(),
  /** Why it is reverted. */
  failure: z.string().nullable(),
  /** Of one that is reverted: nothing but the release can be the reason, if the cluster starts by the one before. */
  blamesRelease: z.boolean().default(false),
});
export type PlannedRestart = z.infer<typeof plannedRestart>;

/** What came of the last one. */
export const restartOutcome = z.object({
  request: z.string(),
  from: z.string(),
  to: z.string(),
  /** Null: the server runs by `to`. For people otherwise: it runs by `from`. */
  failure: z.string().nullable(),
  /** In milliseconds; null where it is not known. */
  pauseMs: z.number().nullable(),
  kept: z.number().nullable(),
  closed: z.record(z.string(), z.number()),
});
export type RestartOutcome = z.infer<typeof restartOutcome>;
