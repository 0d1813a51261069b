import { createHmac, randomBytes } from 'node:crypto';

/** Counters per owner. Names come from clients, so they are hashed into a fixed number of counters; a clash only costs their owner. */
const SLOTS_PER_OWNER = 1024;

export interface FailureRule {
  failures: number;
  pauseSeconds: number;
}

/**
 * Counts failures per owner and name: after so many of them, each less than `pauseSeconds` after the one before,
 * `blocked` is true until `pauseSeconds` have passed without another. The rule is asked for each time, so it may change.
 */
export class FailureLimit {
  readonly #owners = new Map<string, Map<number, { count: number; last: number }>>();
  readonly #salt = randomBytes(16);

  constructor(
    private readonly rule: () => FailureRule,
    private readonly now: () => number = () => performance.now(),
  ) {}

  blocked(owner: string, name: string): boolean {
    return (this.#current(owner, name)?.count ?? 0) >= this.rule().failures;
  }

  failed(owner: string, name: string): void {
    const slots = this.#owners.get(owner) ?? new Map<number, { count: number; last: number }>();
    this.#owners.set(owner, slots);
    slots.set(this.#slot(name), { count: (this.#current(owner, name)?.count ?? 0) + 1, last: this.now() });
  }

  succeeded(owner: string, name: string): void {
    this.#owners.get(owner)?.delete(this.#slot(name));
  }

  #current(owner: string, name: string): { count: number; last: number } | undefined {
    const entry = this.#owners.get(owner)?.get(this.#slot(name));
    return entry && this.now() - entry.last < this.rule().pauseSeconds * 1000 ? entry : undefined;
  }

  #slot(name: string): number {
    return createHmac('sha256', this.#salt).update(name).digest().readUInt16BE(0) % SLOTS_PER_OWNER;
  }
}
