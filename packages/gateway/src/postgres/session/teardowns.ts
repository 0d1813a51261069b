/** Teardowns at work at a time: each that cancels a query makes PostgreSQL fork once. */
const AT_ONCE = 8;

/** Runs tasks a few at a time, so that the end of hundreds of sessions neither stalls the others nor floods PostgreSQL. */
export class Teardowns {
  readonly #waiting: (() => Promise<void>)[] = [];
  #running = 0;

  /** Runs the task soon; that it fails makes no difference to the others. */
  add(task: () => Promise<void>): void {
    this.#waiting.push(task);
    if (this.#running < AT_ONCE) this.#next();
  }

  #next(): void {
    const task = this.#waiting.shift();
    if (!task) return;
    this.#running++;
    // Even a task that has nothing to wait for gives the event loop a turn.
    setImmediate(() => {
      const done = () => {
        this.#running--;
        this.#next();
      };
      void task().then(done, done);
    });
  }
}
