import type { Pool } from 'pg';
import { type Claim, claimDue, extend, secondsUntilDue } from './claim.js';
import { Listener } from './listen.js';
import { runClaim } from './run.js';
import type { AnyKind, StepResult, StrandOptions } from './types.js';
import { dueAlerts, trimLog } from './upkeep.js';

export type Settings = Required<StrandOptions>;

interface Running {
  claim: Claim;
  lost: AbortController;
  /** Monotonic time until which the lease is surely ours. */
  safeUntil: number;
}

const TRIM_EVERY_MS = 3_600_000;

/** Claims due strands and runs their labels, until it is stopped. */
export class Worker {
  readonly #running = new Map<string, Running>();
  readonly #listener: Listener;
  #loop: Promise<void> | undefined;
  #beat: NodeJS.Timeout | undefined;
  #stopping = false;
  #hinted = false;
  #wakeUp = () => {};
  #trimmedAt = Number.NEGATIVE_INFINITY;
  readonly #labels = new Set<Promise<unknown>>();

  constructor(
    private readonly pool: Pool,
    private readonly kinds: Map<string, AnyKind>,
    private readonly settings: Settings,
  ) {
    this.#listener = new Listener(pool, () => this.#hint());
  }

  start(): void {
    void this.#listener.open();
    this.#beat = setInterval(() => void this.#heartbeat(), (this.settings.leaseSeconds * 1000) / 3);
    this.#loop = this.#claimUntilStopped();
  }

  /** Claims no more, waits for the labels that run. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#hint();
    await this.#loop;
    while (this.#labels.size > 0) await Promise.allSettled(this.#labels);
    clearInterval(this.#beat);
    this.#listener.close();
  }

  /** Runs a claimed strand while its lease is kept alive. */
  async run(claim: Claim): Promise<StepResult> {
    const kind = this.kinds.get(claim.kind)!;
    const lost = new AbortController();
    this.#running.set(claim.lease, { claim, lost, safeUntil: this.#leaseEnd() });
    try {
      const result = await runClaim(this.pool, this.settings.workerId, kind, claim, lost.signal);
      this.#report(claim, result);
      return result;
    } finally {
      this.#running.delete(claim.lease);
    }
  }

  async #claimUntilStopped(): Promise<void> {
    while (!this.#stopping) {
      this.#hinted = false;
      let wait = this.settings.pollSeconds;
      try {
        await this.#fill();
        wait = await this.#untilNext();
      } catch (error) {
        this.settings.log('warn', 'cannot read the strands', { error: String(error) });
      }
      await this.#pause(wait);
    }
  }

  async #fill(): Promise<void> {
    const limit = this.settings.concurrency - this.#labels.size;
    if (limit <= 0) return;
    const { workerId: worker, leaseSeconds } = this.settings;
    const claims = await claimDue(this.pool, { worker, leaseSeconds, kinds: [...this.kinds.keys()], limit });
    for (const claim of claims) {
      const label = this.run(claim).finally(() => {
        this.#labels.delete(label);
        this.#hint();
      });
      this.#labels.add(label);
    }
  }

  /** Seconds to sleep: a short nap ends on time, everything else is looked at once per poll. */
  async #untilNext(): Promise<number> {
    if (this.#labels.size >= this.settings.concurrency) return this.settings.pollSeconds;
    const due = (await secondsUntilDue(this.pool, [...this.kinds.keys()])) ?? Number.POSITIVE_INFINITY;
    return Math.min(this.settings.pollSeconds, Math.max(due, 0.01));
  }

  #pause(seconds: number): Promise<void> {
    if (this.#hinted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #hint(): void {
    this.#hinted = true;
    this.#wakeUp();
  }

  async #heartbeat(): Promise<void> {
    await this.#extendLeases();
    await this.#alert();
    if (performance.now() - this.#trimmedAt < TRIM_EVERY_MS) return;
    this.#trimmedAt = performance.now();
    await trimLog(this.pool, this.settings.logDays).catch(() => {});
  }

  async #extendLeases(): Promise<void> {
    const mine = [...this.#running];
    const until = this.#leaseEnd();
    const held =
      mine.length === 0
        ? new Set<string>()
        : await extend(
            this.pool,
            mine.map(([lease]) => lease),
            this.settings.leaseSeconds,
          ).catch(() => null);
    for (const [lease, running] of mine) {
      if (held?.has(lease)) running.safeUntil = until;
      else if (held || performance.now() > running.safeUntil) running.lost.abort();
    }
  }

  async #alert(): Promise<void> {
    try {
      for (const alert of await dueAlerts(this.pool, this.kinds.values())) await this.settings.onAlert(alert);
    } catch (error) {
      this.settings.log('warn', 'an alert was not delivered, it comes again in an hour', { error: String(error) });
    }
  }

  #report(claim: Claim, result: StepResult): void {
    const { id: strand, kind } = claim;
    if (result.outcome === 'parked') void this.#alert();
    const level = result.outcome === 'parked' ? 'error' : result.error === undefined ? 'info' : 'warn';
    this.settings.log(level, `strand ${result.outcome}`, { strand, kind, ...result });
  }

  #leaseEnd = () => performance.now() + this.settings.leaseSeconds * 1000;
}
