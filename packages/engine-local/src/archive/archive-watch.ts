import { type FSWatcher, watch } from 'node:fs';
import type { ClusterState } from '../cluster/state.js';
import { Wake } from '../cluster/wake.js';
import { Mutex } from '../system/mutex.js';
import { archiveOf } from './archive-of.js';
import { ArchiveConflict, type WalArchive } from './wal-archive.js';
import { isWalFile } from './wal-names.js';

/** Every file is announced by the system; a look without one is for the case that an announcement was lost. */
const QUIET_MS = 30_000;
const BEGIN_MS = 1000;
const RETRY_MS = 2000;

/** One file at a time in the whole process: many busy clusters must not keep all its threads from everything else. */
const sealing = new Mutex();

/** Carries what PostgreSQL leaves in its spool into the archive as soon as it comes, until `signal` says so. */
export async function watchArchive(state: ClusterState, signal: AbortSignal): Promise<void> {
  const wake = new Wake();
  const look = new ArchiveWatch(state, wake, signal);
  signal.addEventListener('abort', () => wake.now());
  while (!signal.aborted) await wake.wait(await look.look());
  look.close();
}

class ArchiveWatch {
  #watcher: FSWatcher | null = null;
  #begun = false;

  constructor(
    private readonly state: ClusterState,
    private readonly wake: Wake,
    private readonly signal: AbortSignal,
  ) {}

  /** Takes all that is there; gives the milliseconds until the next look, unless something comes. */
  async look(): Promise<number> {
    if (!this.state.directoriesReady) return BEGIN_MS;
    try {
      return await this.#collect(archiveOf(this.state));
    } catch (error) {
      const cluster = this.state.journal.record.id;
      this.state.context.log.error({ cluster, err: error }, 'finished WAL could not be archived; it is tried again');
      return RETRY_MS;
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  async #collect(archive: WalArchive): Promise<number> {
    if (!this.#begun) await archive.removeHalfSealed();
    this.#begun = true;
    // Before the look, so that nothing comes unseen in between.
    this.#watcher ??= this.#listen();
    const conflicts: ArchiveConflict[] = [];
    for (const name of await archive.spooled()) {
      if (this.signal.aborted) return 0;
      await sealing
        .run(() => archive.take(name))
        .catch((error: unknown) => {
          // The others are not to wait for a person.
          if (!(error instanceof ArchiveConflict)) throw error;
          conflicts.push(error);
        });
    }
    if (conflicts[0]) throw conflicts[0];
    return QUIET_MS;
  }

  /** Null where the system has no room for another watch: then the slow looks have to do. */
  #listen(): FSWatcher | null {
    try {
      const watcher = watch(this.state.journal.paths.walSpool, { persistent: false }, (_, file) => {
        if (file === null || isWalFile(file)) this.wake.now();
      });
      return watcher.on('error', () => this.close());
    } catch {
      return null;
    }
  }
}
