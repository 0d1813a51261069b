import { setTimeout as sleep } from 'node:timers/promises';
import { connect, finishLog } from '@borealis/postgres';
import { unarchived } from '../archive/archive-alarm.js';
import { archiveOf } from '../archive/archive-of.js';
import { isHistory, parseSegment } from '../archive/wal-names.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { listBases } from '../copies/bases.js';
import { BackupAbout } from './backup-about.js';
import { backupOf, FINISH_SECONDS } from './backup-of.js';
import { type ClusterBackup, walObject } from './cluster-backup.js';
import { StoreAlarm } from './store-alarm.js';
import { unlessAborted } from './stored-bases.js';

const LOOK_MS = 3000;
const LONGEST_PAUSE_MS = 30_000;
/** What the names of all that this watch puts begin with. */
const MINE = ['key', 'about', 'wal/'];

/** Carries a cluster's key, what is to be known of it, and its sealed WAL into the store until `signal` says so; tells when that fails. */
export async function watchStore(state: ClusterState, signal: AbortSignal): Promise<void> {
  const watch = new StoreWatch(state, signal);
  while (!signal.aborted) {
    const pause = await watch.look();
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
}

class StoreWatch {
  #failures = 0;
  #backup: ClusterBackup | null = null;
  #about: BackupAbout | null = null;
  #era = 0;
  /** What is in the store, as far as this life of the keeper has seen. */
  #stored: Set<string> | null = null;
  #server: ClusterState['server'] = null;
  #finishedAt = 0;
  readonly #alarm: StoreAlarm;

  constructor(
    private readonly state: ClusterState,
    private readonly signal: AbortSignal,
  ) {
    this.#alarm = new StoreAlarm(state);
  }

  /** Puts all that is there; gives the milliseconds until the next look. */
  async look(): Promise<number> {
    if (!this.state.directoriesReady || this.state.journal.record.accessInForce === 0) return LOOK_MS;
    try {
      await this.#put();
      this.#failures = 0;
      await this.#alarm.tell(null);
    } catch (error) {
      if (this.signal.aborted) return 0;
      this.#failures = Math.min(this.#failures + 1, 10);
      // What this keeper remembers may be what is wrong.
      this.#backup = null;
      await this.#alarm.tell(error);
    }
    return this.#failures === 0 ? LOOK_MS : Math.min(LONGEST_PAUSE_MS, 500 * 2 ** this.#failures);
  }

  async #put(): Promise<void> {
    const { state } = this;
    this.#followEra();
    const backup = await this.#open();
    await this.#about!.put();
    await this.#finishAtStart();
    const now = Date.now();
    const isAllArchived = await this.#isAllArchived();
    const from = await this.#oldestNeeded();
    if (from === null) return;
    for (const name of await this.#missing(from)) await this.#putWal(backup, name);
    const isComplete = state.storedBases !== null && state.storedBases.length > 0;
    if (isComplete && isAllArchived && this.#finishedAt > 0)
      state.storedUpTo = Math.max(this.#finishedAt, now - FINISH_SECONDS * 1000);
  }

  /** Another major is kept under a name of its own, from its beginning. */
  #followEra(): void {
    const { state } = this;
    const { era } = state.journal.record;
    if (this.#era !== 0 && this.#era !== era) {
      this.#backup = null;
      state.storedUpTo = null;
      state.storedBases = null;
    }
    this.#era = era;
  }

  async #open(): Promise<ClusterBackup> {
    if (this.#backup) return this.#backup;
    const { context, journal } = this.state;
    const backup = backupOf(this.state);
    if (journal.record.storedIn !== backup.store.location)
      await journal.update(() => ({ storedIn: backup.store.location }));
    await backup.putKey(context.options.store!.wrappingKey);
    for (const prefix of MINE) await backup.removeUnfinished(prefix);
    this.#stored = new Set(await backup.walNames());
    this.#about = new BackupAbout(this.state, backup);
    this.#backup = backup;
    return backup;
  }

  /** What a server wrote before it was restarted would wait for its next write: so one segment is finished for each start. */
  async #finishAtStart(): Promise<void> {
    const { server } = this.state;
    if (!server) this.#finishedAt = 0;
    if (!server || server === this.#server) return;
    const client = await connect(serverSpec(this.state));
    await finishLog(client).finally(() => client.end());
    this.#finishedAt = Date.now();
    this.#server = server;
  }

  /** True when all finished segments are in the archive: none waits in the server or in the spool. */
  async #isAllArchived(): Promise<boolean> {
    const { paths } = this.state.journal;
    return (await unarchived(paths.data)).length === 0 && (await archiveOf(this.state).spooled()).length === 0;
  }

  /** The number of the segment with which the oldest base begins that is in the store or may come there; null while there is none. */
  async #oldestNeeded(): Promise<number | null> {
    const { storedBases, journal } = this.state;
    if (storedBases === null) return null;
    const first = storedBases[0] ?? (await listBases(journal.paths.bases))[0];
    return first ? parseSegment(first.firstSegment).number : null;
  }

  async #missing(from: number): Promise<string[]> {
    const names = await archiveOf(this.state).names();
    const isNeeded = (name: string) => isHistory(name) || parseSegment(name).number >= from;
    const number = (name: string) => (isHistory(name) ? -1 : parseSegment(name).number);
    return names
      .filter((name) => !this.#stored!.has(name) && isNeeded(name))
      .sort((a, b) => number(a) - number(b) || (a < b ? -1 : 1));
  }

  async #putWal(backup: ClusterBackup, name: string): Promise<void> {
    const sealed = archiveOf(this.state).sealed(name);
    await backup.putSealed(walObject(name), unlessAborted(sealed, this.signal));
    this.#stored!.add(name);
  }
}
