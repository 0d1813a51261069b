import { gatewayEvent } from '@borealis/contract';
import { z } from 'zod';
import { writerOf } from './spool.js';

const writerProgress = z.object({
  segment: z.string().nullable(),
  offset: z.number(),
  /** Tunnels that were created and not yet destroyed, as their events told. */
  open: z.record(z.string(), gatewayEvent),
});
/** How far one gateway's events have been read. */
export type WriterProgress = z.infer<typeof writerProgress>;

export const NOTHING_READ: WriterProgress = { segment: null, offset: 0, open: {} };

/** Versions that had one gateway at a time noted the progress of that one alone. */
const ofOneWriter = writerProgress.transform((progress) => {
  const writer = progress.segment === null ? null : writerOf(progress.segment);
  return { writers: writer === null ? {} : { [writer]: progress } };
});

/** By writer: `<start>-<pid>` of the gateway. */
export const spoolProgress = z.union([z.object({ writers: z.record(z.string(), writerProgress) }), ofOneWriter]);
export type Progress = { writers: Record<string, WriterProgress> };
