import { type DatabaseBackup, type DumpName, EngineError, type StoredDatabase } from '@borealis/engine';
import type { HomeContext } from '../cluster/context.js';
import { type DumpAbout, readDumpAbout } from './dump-about.js';
import { DumpPlace } from './dump-place.js';
import { openStoreUntil } from './ending-store.js';
import { explained } from './refusals.js';

/** Opens the dumps of that name; throws `not_found`, or `unsupported` with what is wrong with the store, the key or the backup. */
export async function openDumps(
  { options: { store }, ending }: HomeContext,
  name: string,
  signal = ending,
): Promise<DumpPlace> {
  if (!store) throw new EngineError('unsupported', 'No object store is set up here: BOREALIS_STORE names one.');
  return explained(name, () => DumpPlace.open(openStoreUntil(store.location, ending, signal), name, store.wrappingKey));
}

/** Finds one of the dumps of that name; throws `not_found`, and as `openDumps`. */
export async function findDump(
  context: HomeContext,
  { backup, dump }: DumpName,
  signal: AbortSignal,
): Promise<{ place: DumpPlace; found: DatabaseBackup; about: DumpAbout }> {
  const place = await openDumps(context, backup, signal);
  return explained(backup, async () => {
    const about = await readDumpAbout(place);
    const found = (await place.list()).dumps.find(({ name }) => name === dump);
    if (found) return { place, found, about };
    throw new EngineError('not_found', `The store has no backup "${dump}" of "${backup}".`);
  });
}

/** What the store has under that name; null when there is nothing. Throws `unsupported` when it cannot be used, and why. */
export async function describeDumps(context: HomeContext, name: string): Promise<StoredDatabase | null> {
  try {
    const place = await openDumps(context, name);
    return await explained(name, () => describePlace(place));
  } catch (error) {
    if (error instanceof EngineError && error.code === 'not_found') return null;
    throw error;
  }
}

/** As `describeDumps`, of a place that is open; throws what its parts throw. */
export async function describePlace(place: DumpPlace): Promise<StoredDatabase> {
  const { major, database, owner } = await readDumpAbout(place);
  return { major, database, owner, dumps: (await place.list()).dumps };
}
