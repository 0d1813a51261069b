import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { DatabaseBackup } from '@borealis/engine';
import { BackupStore } from '../backups/backup-store.js';
import { isShared } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { putDumpAbout } from './dump-about.js';
import { DumpPlace, dumpPlaceId } from './dump-place.js';
import { openStoreUntil } from './ending-store.js';
import { StoreAlarm } from './store-alarm.js';
import { unlessAborted } from './stored-bases.js';

const LOOK_MS = 3000;
const LONGEST_PAUSE_MS = 30_000;
/** Without a reason the store itself is looked at so often: each look is a few requests. */
const LOOK_AT_STORE_MS = 3_600_000;

/** How far the object store is with the dumps of one database. */
export interface StoredDumps {
  /** The moment that the newest there shows; null when there is none. */
  newest: string | null;
  /** Complete here, and not there yet. */
  waiting: number;
}

/**
 * Brings the dumps of a cluster's databases into the object store as they are sealed on the disk, and removes there what was dropped here,
 * until `signal` says so. What is merely gone from the disk stays there.
 */
export async function watchDumps(state: ClusterState, signal: AbortSignal): Promise<void> {
  const watch = new DumpWatch(state);
  // Of a cluster whose log goes there, too, the other watch tells what is wrong with the store.
  const alarm = isShared(state) ? new StoreAlarm(state) : null;
  for (let failures = 0; !signal.aborted; ) {
    try {
      if (state.directoriesReady) await watch.look(signal);
      failures = 0;
      await alarm?.tell(null);
    } catch (error) {
      if (signal.aborted) return;
      failures = Math.min(failures + 1, 10);
      const fields = { cluster: state.journal.record.id, err: error };
      if (alarm) await alarm.tell(error);
      else state.context.log.warn(fields, 'a backup is not in the store yet');
    }
    const pause = failures === 0 ? LOOK_MS : Math.min(LONGEST_PAUSE_MS, 500 * 2 ** failures);
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
}

/** What is in the store of one database, as far as this life of the keeper has seen. */
interface Seen {
  dumps: Map<string, DatabaseBackup>;
  at: number;
  /** When the directory on the disk was last changed, of all that is in the store; null before that. */
  changedAt: number | null;
}

class DumpWatch {
  readonly #seen = new Map<string, Seen>();

  constructor(private readonly state: ClusterState) {}

  async look(signal: AbortSignal): Promise<void> {
    for (const database of this.#databases()) {
      signal.throwIfAborted();
      try {
        await this.#carry(database);
      } catch (error) {
        // What is remembered may be what is wrong.
        this.#seen.delete(database);
        if (this.#databases().includes(database)) throw error;
      }
    }
  }

  /** Those that are to be there: what is dropped has an end of its own. */
  #databases(): string[] {
    return (this.state.journal.record.access?.databases ?? []).map(({ name }) => name);
  }

  async #carry(database: string): Promise<void> {
    const local = new BackupStore(this.state, database);
    const changedAt = await local.changedAt();
    const seen = this.#seen.get(database);
    if (seen && Date.now() - seen.at > LOOK_AT_STORE_MS) this.#seen.delete(database);
    else if (seen?.changedAt === changedAt) return;
    const [dumps, dropped] = [await local.list(), await local.dropped()];
    if (dumps.length + dropped.length === 0) return;
    const newest = this.state.storedDumps.get(database)?.newest ?? null;
    if (!this.#seen.has(database)) this.state.storedDumps.set(database, { newest, waiting: dumps.length });
    await this.state.uploads.run(database, 'carry', async (signal) => {
      const place = await this.#place(local, database, signal);
      const seen = this.#seen.get(database) ?? (await this.#open(place, database));
      const { dumps: there } = seen;
      const missing = () => dumps.filter((dump) => !isDeepStrictEqual(there.get(dump.name), dump));
      this.#tell(database, there, missing().length);
      for (const name of dropped) {
        await place.removeDump(name);
        there.delete(name);
        await local.forgetDropped(name);
      }
      for (const dump of missing()) {
        if (there.has(dump.name)) await place.putNote(dump);
        else await place.putDump(dump, (part) => unlessAborted(local.sealed(dump.name, part), signal));
        there.set(dump.name, dump);
        this.#tell(database, there, missing().length);
      }
      this.#tell(database, there, 0);
      seen.changedAt = changedAt;
    });
  }

  #tell(database: string, there: ReadonlyMap<string, DatabaseBackup>, waiting: number): void {
    const moments = [...there.values()].map(({ takenAt }) => takenAt).sort();
    this.state.storedDumps.set(database, { newest: moments.at(-1) ?? null, waiting });
  }

  async #place(local: BackupStore, database: string, signal: AbortSignal): Promise<DumpPlace> {
    const { context, journal } = this.state;
    const store = openStoreUntil(context.options.store!.location, signal);
    if (journal.record.storedIn !== store.location) await journal.update(() => ({ storedIn: store.location }));
    return new DumpPlace(store, dumpPlaceId(context.home.id, journal.record.id, database), local.key());
  }

  async #open(place: DumpPlace, database: string): Promise<Seen> {
    await place.putKey(this.state.context.options.store!.wrappingKey);
    await putDumpAbout(place, this.state);
    const { dumps, unfinished } = await place.list();
    for (const name of unfinished) await place.removeDump(name);
    await place.removeUnfinished('');
    const byName = new Map(dumps.map((dump) => [dump.name, dump]));
    const seen = { dumps: byName, at: Date.now(), changedAt: null };
    this.#seen.set(database, seen);
    return seen;
  }
}
