import { z } from 'zod';

/** A minor upgrade of one cluster: the same one is sent until it has an end. */
export const minorUpgradeRequest = z.object({
  /** Chosen by the caller, another for each attempt: the same call with the same one asks for what has become of it. */
  request: z.string().min(8).max(64),
  /** PostgreSQL's own number, newer or older, of the same major. Null: the newest there is. */
  version: z
    .string()
    .regex(/^\d{1,3}\.\d{1,3}$/, 'must be like 16.14')
    .nullable(),
  /** True: without a trial on a copy of the data, also of a release that failed one. */
  force: z.boolean(),
  /** How long transactions that are open are waited for, in seconds; what is still open then is closed. */
  patienceSeconds: z.number().int().min(0).max(86_400),
});
export type MinorUpgradeRequest = z.infer<typeof minorUpgradeRequest>;

const versions = { from: z.string(), to: z.string() };

/** How far a minor upgrade has come, or what came of it. */
export const minorUpgrade = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('running'),
    ...versions,
    /** For people: what is being done. */
    sentence: z.string(),
  }),
  z.object({
    state: z.literal('done'),
    ...versions,
    /** How long sessions were held, in milliseconds. Null: it is not known, since the keeper died meanwhile. */
    pauseMs: z.number().nullable(),
    /** Sessions that live on; null like the pause. */
    kept: z.number().nullable(),
    /** Sessions that were closed, by the kind of what could not be carried over. */
    closed: z.record(z.string(), z.number()),
  }),
  z.object({
    state: z.literal('failed'),
    ...versions,
    /** For people. The cluster runs by `from`. */
    reason: z.string(),
  }),
]);
export type MinorUpgrade = z.infer<typeof minorUpgrade>;
