import { z } from 'zod';
import { POSTGRES_MAJORS } from './names.js';

/** Chosen by the caller, another for each attempt: the same call with the same one asks for what has become of it. */
const request = z.string().min(8).max(64);
/**
 * How long transactions that are open are waited for before the cut-over, in seconds. After it sessions that are not at rest are closed; what cannot
 * be carried over to another major is closed in any case.
 */
const patienceSeconds = z.number().int().min(0).max(86_400);

/** A major upgrade of one cluster: the same one is sent until it has an end. */
export const majorUpgradeRequest = z.object({
  request,
  /** A newer one than the cluster has. */
  major: z.enum(POSTGRES_MAJORS),
  patienceSeconds,
});
export type MajorUpgradeRequest = z.infer<typeof majorUpgradeRequest>;

/** Back to the major from before the last upgrade, with the writes made since. */
export const majorRevertRequest = z.object({ request, patienceSeconds });
export type MajorRevertRequest = z.infer<typeof majorRevertRequest>;

/** `rehearsing`: on a copy of the data. `copying`: the next server is made and fed. `switching`: a moment for the cut-over is waited for. */
export const MAJOR_UPGRADE_STAGES = ['rehearsing', 'copying', 'switching'] as const;

/** PostgreSQL's own numbers. */
const versions = { from: z.string(), to: z.string() };

/** How far a major upgrade, or a way back, has come, or what came of it. */
export const majorUpgrade = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('running'),
    stage: z.enum(MAJOR_UPGRADE_STAGES),
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
    /** Until when there is a way back, which changes of the schema may end before; null: there is none. */
    revertibleUntil: z.iso.datetime().nullable(),
  }),
  z.object({
    state: z.literal('failed'),
    ...versions,
    /** Sentences for people: why. The cluster runs by `from` as before. */
    findings: z.array(z.string()).min(1),
  }),
  z.object({ state: z.literal('cancelled'), ...versions }),
]);
export type MajorUpgrade = z.infer<typeof majorUpgrade>;
