import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { HomeContext } from '../cluster/context.js';
import type { ClusterState } from '../cluster/state.js';
import { writeFileAtomic } from '../system/files.js';
import { backupId, ERA } from './backup-of.js';
import { CLUSTERS } from './cluster-backup.js';
import { DATABASES, dumpPlaceId } from './dump-place.js';
import { openStoreUntil } from './ending-store.js';
import type { ObjectStore } from './object-store.js';
import { removePlaces } from './sealed-place.js';

const note = z.object({
  format: z.literal(1),
  location: z.string(),
  /** What the names of all that is to go begin with; those of a cluster when left out. */
  prefixes: z.array(z.string()).optional(),
});
const SUFFIX = '.json';
const LOOK_MS = 60_000;
/** So long at most it keeps who waits for the end of a cluster. */
const LONGEST_MS = 10_000;

/**
 * Removes a cluster that is destroyed from the store where it was kept. A store that does not answer holds nothing up: it is written
 * down, and done later.
 */
export async function forgetBackup(state: ClusterState): Promise<void> {
  const { context, journal } = state;
  const { record } = journal;
  if (record.storedIn === null) return;
  const id = backupId(context.home.id, record.id);
  await forget(state, id, [`${CLUSTERS}${id}/`, `${CLUSTERS}${id}${ERA}`, `${DATABASES}${id}-`]);
}

/** The same for one of its former eras. */
export async function forgetEra(state: ClusterState, era: number): Promise<void> {
  const { context, journal } = state;
  if (journal.record.storedIn === null) return;
  const id = backupId(context.home.id, journal.record.id, era);
  await forget(state, id, [`${CLUSTERS}${id}/`]);
}

/** The same for the dumps of a database that is dropped. */
export async function forgetDumps(state: ClusterState, database: string): Promise<void> {
  const { context, journal } = state;
  if (journal.record.storedIn === null) return;
  const id = dumpPlaceId(context.home.id, journal.record.id, database);
  await forget(state, id, [`${DATABASES}${id}/`]);
}

async function forget({ context, journal: { record } }: ClusterState, id: string, prefixes: string[]): Promise<void> {
  const location = record.storedIn!;
  const path = join(context.home.paths.storeRemovals, id + SUFFIX);
  await writeFileAtomic(path, `${JSON.stringify({ format: 1, location, prefixes })}\n`, 0o600);
  const store = openStoreUntil(location, context.ending, AbortSignal.timeout(LONGEST_MS));
  await removeAll(store, prefixes).catch((error: unknown) => {
    context.log.warn({ cluster: record.id, err: error }, 'its backup is still in the store; it is removed later');
  });
}

/** False when there was nothing. */
async function removeAll(store: ObjectStore, prefixes: readonly string[]): Promise<boolean> {
  let found = false;
  for (const prefix of prefixes) found = (await removePlaces(store, prefix)) || found;
  return found;
}

/** Removes from stores what destroyed clusters have left there. */
export class StoreRemovals {
  readonly #end = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(private readonly context: HomeContext) {}

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      await this.#look().catch((error: unknown) => {
        this.context.log.warn({ err: error }, 'backups of destroyed clusters are still in a store; it is tried again');
      });
      await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const directory = this.context.home.paths.storeRemovals;
    for (const file of await readdir(directory)) {
      if (!file.endsWith(SUFFIX)) continue;
      const path = join(directory, file);
      const id = file.slice(0, -SUFFIX.length);
      const { location, prefixes } = note.parse(JSON.parse(await readFile(path, 'utf8')));
      // What was on its way there when the cluster went may have come since: only a look that finds nothing is the last one.
      const found = await removeAll(openStoreUntil(location, this.#end.signal), prefixes ?? [`${CLUSTERS}${id}/`]);
      if (!found) await rm(path, { force: true });
    }
  }
}
