const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 15_000;
/** A process that lived so long was healthy: its next restart is immediate again. */
const STEADY = 30_000;

/** Paces the restarts of a process that dies again and again. Times in milliseconds. */
export class Restarts {
  #startedAt = 0;
  #pause = 0;
  #lost = false;

  /** True when the process was seen alive and then gone, until `recovered` says that it is back. */
  get isLost(): boolean {
    return this.#lost;
  }

  /** Note that it was started or found alive. */
  started(now: number): void {
    this.#startedAt = now;
  }

  /** Note that it is gone; the next start waits longer the sooner it died. */
  lost(now: number): void {
    const steady = now - this.#startedAt >= STEADY;
    this.#pause = steady ? 0 : Math.min(LONGEST_PAUSE, Math.max(FIRST_PAUSE, this.#pause * 2));
    this.#lost = true;
    this.#startedAt = now;
  }

  /** How long to wait before the next start; 0 when it may start now. */
  wait(now: number): number {
    return this.#lost ? Math.max(0, this.#startedAt + this.#pause - now) : 0;
  }

  /** True once after a loss, when it runs again. */
  recovered(): boolean {
    const was = this.#lost;
    this.#lost = false;
    return was;
  }
}
