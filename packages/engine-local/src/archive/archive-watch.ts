import { type FSWatcher, watch } from 'node:fs';
import type { ClusterState } from '../cluster/state.js';
import { Wake } from '../cluster/wake.js';
import { toEngineError } from '../errors.js';
import { Alarm } from '../events/alarm.js';
import { Mutex } from '../system/mutex.js';
import { ARCHIVE_TROUBLE, heldBack, LATE_MS } from './archive-alarm.js';
import { archiveOf } from './archive-of.js';
import { ArchiveConflict, type WalArchive } from './wal-archive.js';
import { isWalFile } from './wal-names.js';

/** Every file is announced by the system; a look without one is for what PostgreSQL holds back, and for a lost announcement. */
const QUIET_MS = 30_000;
const BEGIN_MS = 1000;
const FIRST_RETRY_MS = 500;

/** One file at a time in the whole process: many busy clusters must not keep all its threads from everything else. */
const sealing = new Mutex();

/**
 * Carries what PostgreSQL leaves in its spool into the archive as soon as it comes, until `signal` says so, and tells when that fails for
 * longer than a minute.
 */
export async function watchArchive(state: ClusterState, signal: AbortSignal): Promise<void> {
  const wake = new Wake();
  const archiveWatch = new ArchiveWatch(state, wake, signal);
  signal.addEventListener('abort', () => wake.now());
  while (!signal.aborted) await wake.wait(await archiveWatch.look());
  archiveWatch.close();
}

class ArchiveWatch {
  #watcher: FSWatcher | null = null;
  /** The spool that is watched: another one with each era. */
  #spool: string | null = null;
  #trouble: { sentence: string; since: number; forPeople: boolean } | null = null;
  #failures = 0;
  readonly #alarm: Alarm;

  constructor(
    private readonly state: ClusterState,
    private readonly wake: Wake,
    private readonly signal: AbortSignal,
  ) {
    this.#alarm = new Alarm(state, ARCHIVE_TROUBLE);
  }

  /** Takes all that is there; gives the milliseconds until the next look, unless something comes. */
  async look(): Promise<number> {
    if (!this.state.directoriesReady) return BEGIN_MS;
    try {
      await this.#collect(archiveOf(this.state));
      this.#trouble = null;
      this.#failures = 0;
    } catch (error) {
      this.#note(error);
    }
    await this.#tell();
    return this.#failures === 0 ? QUIET_MS : Math.min(QUIET_MS, FIRST_RETRY_MS * 2 ** this.#failures);
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  async #collect(archive: WalArchive): Promise<void> {
    const { walSpool } = this.state.journal.paths;
    if (this.#spool !== walSpool) {
      this.close();
      await archive.removeHalfSealed();
    }
    this.#spool = walSpool;
    // Before the look, so that nothing comes unseen in between.
    this.#watcher ??= this.#listen(walSpool);
    const conflicts: ArchiveConflict[] = [];
    for (const name of await archive.spooled()) {
      if (this.signal.aborted) return;
      await sealing
        .run(() => archive.take(name))
        .catch((error: unknown) => {
          // The others are not to wait for a person.
          if (!(error instanceof ArchiveConflict)) throw error;
          conflicts.push(error);
        });
    }
    await archive.removeHalfSpooled();
    if (conflicts[0]) throw conflicts[0];
  }

  /** Null where the system has no room for another watch: then the slow looks have to do. */
  #listen(spool: string): FSWatcher | null {
    try {
      const watcher = watch(spool, { persistent: false }, (_, file) => {
        if (file === null || isWalFile(file)) this.wake.now();
      });
      return watcher.on('error', () => this.close());
    } catch {
      return null;
    }
  }

  #note(error: unknown): void {
    this.#failures = Math.min(this.#failures + 1, 10);
    const sentence = toEngineError(error).message;
    const cluster = this.state.journal.record.id;
    if (sentence !== this.#trouble?.sentence)
      this.state.context.log.error({ cluster, err: error }, 'finished WAL could not be archived; it is tried again');
    const since = this.#trouble?.since ?? Date.now();
    this.#trouble = { sentence, since, forPeople: error instanceof ArchiveConflict };
  }

  /** An alarm that cannot be kept now, since the disk is full, is tried again at the next look. */
  async #tell(): Promise<void> {
    const { journal, context } = this.state;
    try {
      const trouble = this.#trouble;
      const lateMs = context.options.archive?.lateMs ?? LATE_MS;
      const isLate = trouble !== null && (trouble.forPeople || Date.now() - trouble.since > lateMs);
      // As long as something fails nothing is well again, also before it is late.
      if (trouble && !isLate) return;
      await this.#alarm.tell(trouble?.sentence ?? (await heldBack(journal.paths.data)));
    } catch (error) {
      context.log.error({ cluster: journal.record.id, err: error }, 'the state of the archive could not be told');
    }
  }
}
