import { setTimeout as sleep } from 'node:timers/promises';
import type { ChangeQuery, ChangeSearch, FoundChanges } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import type { ClusterState } from '../cluster/state.js';
import { Mutex } from '../system/mutex.js';
import { checkChangeQuery } from './change-query.js';
import { searchChanges } from './search.js';

const ANSWER_MS = 3000;
/** Who asks for a search asks again within seconds. */
const FORGOTTEN_MS = 60_000;
const MOST_SEARCHES = 8;

interface Running {
  outcome: Promise<FoundChanges>;
  segments: { read: number; total: number };
  /** Begins anew the time after which nobody is taken to be interested any more. */
  keep(): void;
}

/** The searches that somebody waits for, in this life of the keeper; one at a time is read. */
export class ChangeSearches {
  readonly #searches = new Map<string, Running>();
  readonly #reading = new Mutex();

  /** Begins the search, or tells what has become of it; throws as `Engine.findChanges`. */
  async ask(state: ClusterState, database: string, wanted: ChangeQuery): Promise<ChangeSearch> {
    const query = checkChangeQuery(wanted);
    const key = JSON.stringify([state.journal.record.id, database, query]);
    const search = this.#searches.get(key) ?? this.begin(key, state, database, query);
    search.keep();
    const found = await Promise.race([search.outcome, sleep(ANSWER_MS, null, { ref: false })]);
    return found ? { state: 'found', found } : { state: 'reading', segments: { ...search.segments } };
  }

  private begin(key: string, state: ClusterState, database: string, query: ChangeQuery): Running {
    if (this.#searches.size >= MOST_SEARCHES)
      throw new EngineError('not_ready', 'Too many searches are under way on this machine: try again later.');
    const forgotten = new AbortController();
    const signal = AbortSignal.any([state.ending, forgotten.signal]);
    const segments = { read: 0, total: 0 };
    const outcome = this.#reading.run(async () => {
      signal.throwIfAborted();
      const onProgress = (read: number, total: number) => Object.assign(segments, { read, total });
      return searchChanges(state, database, query, { signal, onProgress });
    });
    // It is told to who asks next, if anybody does.
    outcome.catch(() => undefined);
    const forget = () => {
      forgotten.abort();
      this.#searches.delete(key);
    };
    const timer = setTimeout(forget, FORGOTTEN_MS).unref();
    const search = { outcome, segments, keep: () => void timer.refresh() };
    this.#searches.set(key, search);
    return search;
  }
}
