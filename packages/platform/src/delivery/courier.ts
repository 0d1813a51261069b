import { beginDeprovision, makerOf, putAddon } from '../addons/lifecycle.js';
import type { Platform } from '../context.js';
import type { Addon } from '../store/records.js';
import { deliverDeprovision } from './deprovision.js';
import { OUTAGE, type Outcome, SETTLED } from './outcome.js';
import { AnswerTooLarge, PartnerClient } from './partner-client.js';
import { deliverPlanChange } from './plan-change.js';
import { deliverProvision } from './provision.js';

export interface CourierTiming {
  /** How long the maker may take to answer. */
  timeoutMs: number;
  /** The pause after the first failed try; it doubles up to `maxRetryMs`. */
  retryMs: number;
  maxRetryMs: number;
  /** How long an add-on may be provisioning before it is given up. */
  provisionLimitMs: number;
}

export const HEROKU_TIMING: CourierTiming = {
  timeoutMs: 25_000,
  retryMs: 1_000,
  maxRetryMs: 60_000,
  provisionLimitMs: 12 * 3_600_000,
};

/**
 * Delivers what is pending in the store to the add-ons' maker, at least once, one message at a time per add-on. What is
 * pending survives the process: a new one delivers it again.
 */
export class Courier {
  readonly #platform: Platform;
  readonly #timing: CourierTiming;
  readonly #client: PartnerClient;
  readonly #stopping = new AbortController();
  readonly #running = new Map<string, Promise<Outcome>>();
  /** When an add-on's next try is due, in milliseconds since 1970. */
  readonly #due = new Map<string, number>();

  constructor(platform: Platform, timing: CourierTiming) {
    this.#platform = platform;
    this.#timing = timing;
    this.#client = new PartnerClient(platform.catalogue.manifest, timing.timeoutMs, this.#stopping.signal);
  }

  /** Delivers what is pending for an add-on now, after any delivery that is under way, and says how it went. */
  deliver(addonId: string): Promise<Outcome> {
    const before = this.#running.get(addonId) ?? Promise.resolve(SETTLED);
    const run = before.catch(() => OUTAGE).then(() => this.#attempt(addonId));
    this.#running.set(addonId, run);
    const forget = () => {
      if (this.#running.get(addonId) === run) this.#running.delete(addonId);
    };
    run.then(forget, forget);
    return run;
  }

  /** Starts every delivery that is due and gives up add-ons that have been provisioning for too long. */
  tick(): void {
    const { store } = this.#platform;
    for (const addon of store.all('addons')) {
      if (this.#isOverdue(addon)) this.#giveUp(addon);
      const due = (this.#due.get(addon.id) ?? 0) <= this.#platform.now();
      const pending = store.get('addons', addon.id)?.pending;
      if (pending && due && !this.#running.has(addon.id)) this.#deliverAlone(addon.id);
    }
  }

  /** Breaks off what is under way; it stays pending. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.allSettled(this.#running.values());
  }

  #deliverAlone(addonId: string): void {
    this.deliver(addonId).catch((error: unknown) =>
      this.#platform.log.error({ addonId, err: error }, 'delivery to the add-on service failed'),
    );
  }

  #isOverdue(addon: Addon): boolean {
    const age = this.#platform.now() - addon.createdAt;
    return addon.state === 'provisioning' && age > this.#timing.provisionLimitMs;
  }

  #giveUp(addon: Addon): void {
    this.#platform.log.warn({ addon: addon.name }, 'provisioning took too long and was given up');
    beginDeprovision(this.#platform, addon.id, makerOf(this.#platform));
    this.#due.delete(addon.id);
  }

  async #attempt(addonId: string): Promise<Outcome> {
    const addon = this.#countTry(addonId);
    if (!addon?.pending) return SETTLED;
    if (this.#stopping.signal.aborted) return OUTAGE;
    const outcome = await this.#send(addon);
    if (outcome.kind === 'outage') this.#delay(addonId, addon.pending.tries);
    else this.#due.delete(addonId);
    return outcome;
  }

  /** Counted before sending, so that after a crash it is known that the maker may have heard of it. */
  #countTry(addonId: string): Addon | undefined {
    const { store } = this.#platform;
    const addon = store.get('addons', addonId);
    if (!addon?.pending) return undefined;
    const pending = { ...addon.pending, tries: addon.pending.tries + 1 };
    store.commit((tx) => putAddon(tx, this.#platform, addon, { pending }));
    return store.get('addons', addonId);
  }

  async #send(addon: Addon): Promise<Outcome> {
    const deliver = { provision: deliverProvision, plan: deliverPlanChange, deprovision: deliverDeprovision };
    const { kind } = addon.pending!;
    try {
      return await deliver[kind](this.#platform, this.#client, addon);
    } catch (error) {
      // fetch fails with a TypeError and its cause, an abort or a timeout with a DOMException.
      if (!(error instanceof TypeError || error instanceof DOMException || error instanceof AnswerTooLarge))
        throw error;
      const reason = error instanceof TypeError ? String((error.cause as Error | undefined)?.message) : error.message;
      this.#platform.log.warn({ addon: addon.name, kind, reason }, 'the add-on service did not answer');
      return OUTAGE;
    }
  }

  #delay(addonId: string, tries: number): void {
    const { retryMs, maxRetryMs } = this.#timing;
    this.#due.set(addonId, this.#platform.now() + Math.min(maxRetryMs, retryMs * 2 ** Math.min(tries - 1, 20)));
  }
}
