import { createHmac, randomBytes } from 'node:crypto';

/** Names of one owner that have a counter of their own. Names come from clients, so there is an end to them … */
const NAMES_PER_OWNER = 1024;
/** … and those beyond share so many counters; a clash only costs their owner. */
const SHARED_COUNTERS = 1024;

export interface FailureRule {
  failures: number;
  pauseSeconds: number;
}

/**
 * Counts failures per owner and name: after so many of them, each less than `pauseSeconds` after the one before,
 * `blocked` is true until `pauseSeconds` have passed without another. The rule is asked for each time, so it may change.
 */
export class FailureLimit {
  readonly #owners = new Map<string, Map<string, { count: number; last: number }>>();
  readonly #salt = randomBytes(16);

  constructor(
    private readonly rule: () => FailureRule,
    private readonly now: () => number = () => performance.now(),
  ) {}

  blocked(owner: string, name: string): boolean {
    return (this.#current(owner, name)?.count ?? 0) >= this.rule().failures;
  }

  failed(owner: string, name: string): void {
    const counters = this.#owners.get(owner) ?? new Map<string, { count: number; last: number }>();
    this.#owners.set(owner, counters);
    counters.set(this.#counter(owner, name), { count: (this.#current(owner, name)?.count ?? 0) + 1, last: this.now() });
  }

  succeeded(owner: string, name: string): void {
    this.#owners.get(owner)?.delete(this.#counter(owner, name));
  }

  #current(owner: string, name: string): { count: number; last: number } | undefined {
    const entry = this.#owners.get(owner)?.get(this.#counter(owner, name));
    return entry && this.now() - entry.last < this.rule().pauseSeconds * 1000 ? entry : undefined;
  }

  /** Which counter is this name's: its own, or a shared one once there are too many names. */
  #counter(owner: string, name: string): string {
    const digest = createHmac('sha256', this.#salt).update(name).digest();
    const own = digest.toString('base64');
    const counters = this.#owners.get(owner);
    if (counters?.has(own) || (counters?.size ?? 0) < NAMES_PER_OWNER) return own;
    return String(digest.readUInt16BE(0) % SHARED_COUNTERS);
  }
}
