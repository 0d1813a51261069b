import { BACKUP_NAME, type DatabaseBackup, EngineError } from '@borealis/engine';
import type { ClusterState } from '../cluster/state.js';
import { toEngineError } from '../errors.js';
import { BackupStore } from './backup-store.js';
import { makeBackup } from './make.js';
import { proveBackup } from './prove.js';

/** The backups of one database that the access document lists. */
export class Backups {
  readonly #store: BackupStore;

  constructor(
    private readonly state: ClusterState,
    private readonly database: string,
  ) {
    this.#store = new BackupStore(state, database);
  }

  async make(name: string): Promise<DatabaseBackup> {
    checkName(name);
    return this.#job(`make/${name}`, (signal) => makeBackup(this.state, this.database, name, signal));
  }

  async prove(name: string): Promise<DatabaseBackup> {
    checkName(name);
    return this.#job(`prove/${name}`, (signal) => proveBackup(this.state, this.database, name, signal));
  }

  list(): Promise<DatabaseBackup[]> {
    return this.#store.list();
  }

  async read(name: string): Promise<AsyncIterable<Buffer>> {
    checkName(name);
    if (!(await this.#store.find(name))) throw new EngineError('not_found', `There is no backup "${name}".`);
    return this.#store.read(name, 'dump');
  }

  async drop(name: string): Promise<void> {
    checkName(name);
    const { context, journal } = this.state;
    const mayBeStored = context.options.store !== undefined || journal.record.storedIn !== null;
    await (mayBeStored ? this.#store.dropEverywhere(name) : this.#store.drop(name));
  }

  async #job<T>(name: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { state, database } = this;
    try {
      return await state.jobs.run(database, name, (signal) => {
        // It may have waited for long.
        refuseUnready(state, database);
        return work(signal);
      });
    } catch (error) {
      if (state.ending.aborted) throw new EngineError('unavailable', 'The cluster or the keeper is ending.');
      throw toEngineError(error);
    }
  }
}

function checkName(name: string): void {
  if (!BACKUP_NAME.test(name))
    throw new EngineError('unsupported', 'A backup is named by up to 40 letters, digits and hyphens.');
}

function refuseUnready({ journal: { record }, server, detail }: ClusterState, database: string): void {
  if (!record.access?.databases.some(({ name }) => name === database))
    throw new EngineError('not_ready', `The cluster "${record.id}" has no database "${database}".`);
  if (!server) throw new EngineError('not_ready', `The cluster "${record.id}" does not answer now: ${detail}`);
}
