import { POSTGRES_MAJORS } from '@borealis/contract';
import { z } from 'zod';
import type { ClusterState } from '../cluster/state.js';
import type { DumpPlace } from './dump-place.js';

const ABOUT = 'about';

const dumpAbout = z.object({
  format: z.literal(1),
  major: z.enum(POSTGRES_MAJORS),
  database: z.string(),
  /** The role that owned the database. */
  owner: z.string(),
});

/** What has to be known to make a database of one of its dumps. */
export type DumpAbout = z.infer<typeof dumpAbout>;

/** Throws as `SealedPlace.get`. */
export async function readDumpAbout(place: DumpPlace): Promise<DumpAbout> {
  return dumpAbout.parse(JSON.parse(await place.text(ABOUT)));
}

/** Puts it as it is now. */
export async function putDumpAbout(place: DumpPlace, { journal: { record } }: ClusterState): Promise<void> {
  const { database } = place;
  const owner = record.access?.databases.find(({ name }) => name === database)?.owner ?? '';
  const now: DumpAbout = { format: 1, major: record.spec.major, database, owner };
  await place.putText(ABOUT, JSON.stringify(now));
}
