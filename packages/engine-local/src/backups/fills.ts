import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '@borealis/engine';
import type { ClusterState } from '../cluster/state.js';
import { toEngineError } from '../errors.js';
import { fillDatabase } from './fill.js';
import type { FillSource } from './fill-source.js';

/** So long a call waits for the end. */
const ANSWER_MS = 2000;

/** Databases that are being made of dumps. How one ended is told to who asks next; what failed begins anew after that. */
export class Fills {
  readonly #running = new Map<string, Promise<true>>();

  /** Begins it, or tells what has become of it; throws as `Engine.fillDatabase` and `Engine.copyDatabase`. */
  async ask(state: ClusterState, database: string, dump: FillSource): Promise<boolean> {
    const { id, filled, access } = state.journal.record;
    if (!access?.databases.some(({ name }) => name === database))
      throw new EngineError('not_ready', `The cluster "${id}" has no database "${database}".`);
    const noted = filled[database];
    if (noted && (noted.backup !== dump.backup || noted.dump !== dump.dump))
      throw new EngineError('conflict', `The database "${database}" was made of another backup.`);
    if (noted?.done) return true;
    const key = `${id}/${database}`;
    const running = this.#running.get(key) ?? this.#begin(key, state, database, dump);
    const ended = await Promise.race([settled(running), sleep(ANSWER_MS, null, { ref: false })]);
    if (!ended) return false;
    this.#running.delete(key);
    return running;
  }

  #begin(key: string, state: ClusterState, database: string, dump: FillSource): Promise<true> {
    const { backup, dump: name } = dump;
    const running = state.jobs
      .run(database, `fill/${backup}/${name}`, (signal) => fillDatabase(state, database, dump, signal))
      .then(() => true as const)
      .catch((error: unknown) => {
        throw state.ending.aborted
          ? new EngineError('unavailable', 'The cluster or the keeper is ending.')
          : toEngineError(error);
      });
    running.catch(() => undefined);
    this.#running.set(key, running);
    return running;
  }
}

async function settled(work: Promise<unknown>): Promise<true> {
  await work.catch(() => undefined);
  return true;
}
