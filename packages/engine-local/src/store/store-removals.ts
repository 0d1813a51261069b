import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { HomeContext } from '../cluster/context.js';
import type { ClusterState } from '../cluster/state.js';
import { writeFileAtomic } from '../system/files.js';
import { backupId } from './backup-of.js';
import { CLUSTERS, removeBackup } from './cluster-backup.js';
import { openStore } from './open-store.js';

const note = z.object({ format: z.literal(1), location: z.string() });
const SUFFIX = '.json';
const LOOK_MS = 60_000;

/**
 * Removes a cluster that is destroyed from the store where it was kept. A store that does not answer holds nothing up: it is written
 * down, and done later.
 */
export async function forgetBackup({ context, journal: { record } }: ClusterState): Promise<void> {
  if (record.storedIn === null) return;
  const id = backupId(context.home.id, record.id);
  const path = join(context.home.paths.storeRemovals, id + SUFFIX);
  await writeFileAtomic(path, `${JSON.stringify({ format: 1, location: record.storedIn })}\n`, 0o600);
  await removeBackup(openStore(record.storedIn), id).catch((error: unknown) => {
    context.log.warn({ cluster: record.id, err: error }, 'its backup is still in the store; it is removed later');
  });
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
      const { location } = note.parse(JSON.parse(await readFile(path, 'utf8')));
      const store = openStore(location);
      const id = file.slice(0, -SUFFIX.length);
      // What was on its way there when the cluster went may have come since: only a look that finds nothing is the last one.
      const left = await store.list(`${CLUSTERS}${id}/`);
      if (left.length > 0) await removeBackup(store, id);
      else await rm(path, { force: true });
    }
  }
}
