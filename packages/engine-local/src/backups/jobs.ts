import { Mutex } from '../system/mutex.js';

/** One at a time in the whole process: disk and processors are the tenants'. */
const working = new Mutex();
/** What waits for an object store keeps nothing else waiting. */
const carrying = new Mutex();

interface Job {
  database: string;
  end: AbortController;
  result: Promise<unknown>;
}

/** Long work on the databases of one cluster. Asked for again while it is under way, it is joined. */
export class Jobs {
  readonly #running = new Map<string, Job>();

  /** `ending` ends all of them for good. */
  constructor(
    private readonly ending: AbortSignal,
    private readonly turns: 'work' | 'carry' = 'work',
  ) {}

  /** Does the work when its turn comes. It has to end soon after its signal says so. */
  run<T>(database: string, name: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const key = `${database}/${name}`;
    const found = this.#running.get(key);
    if (found) return found.result as Promise<T>;
    const end = new AbortController();
    const turns = this.turns === 'work' ? working : carrying;
    const result = inTurn(turns, AbortSignal.any([this.ending, end.signal]), work).finally(() =>
      this.#running.delete(key),
    );
    result.catch(() => undefined);
    this.#running.set(key, { database, end, result });
    return result;
  }

  /** Ends all work on a database, and returns when none of it is left. */
  async end(database: string): Promise<void> {
    const jobs = [...this.#running.values()].filter((job) => job.database === database);
    for (const job of jobs) job.end.abort(new Error('The database is being dropped.'));
    await Promise.allSettled(jobs.map(({ result }) => result));
  }

  async settled(): Promise<void> {
    await Promise.allSettled([...this.#running.values()].map(({ result }) => result));
  }
}

/** What is told to end while it waits does not wait any more. */
async function inTurn<T>(turns: Mutex, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  let hasBegun = false;
  const aborted = new Promise<never>((_, reject) => {
    const stop = () => {
      if (!hasBegun) reject(signal.reason);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  aborted.catch(() => undefined);
  const done = turns.run(() => {
    signal.throwIfAborted();
    hasBegun = true;
    return work(signal);
  });
  return Promise.race([done, aborted]);
}
